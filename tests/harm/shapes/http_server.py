"""no loop: a ThreadingHTTPServer with `except KeyboardInterrupt`"""
# harm: serves /
# harm: also ^C, HUP

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler) as server:
    print("ready", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("Ctrl-C seen", flush=True)
print("cleanup: server closed", flush=True)
