"""A made-up ASGI server, for the middleware: scopes, messages, and the line to one client."""

import asyncio

from sigtask.asgi import SignalMiddleware

HTTP = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "headers": [], "client": ("c", 1)}
POST = {**HTTP, "method": "POST", "headers": [(b"content-length", b"6")]}
SOCKET = {"type": "websocket", "path": "/", "headers": []}
GONE = {"type": "http.disconnect"}


def piece(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


class Line:
    """A server's `receive` and `send`: what is read is counted, and two readers at once are an error."""

    def __init__(self, *messages):
        self.queue = asyncio.Queue()
        for message in messages:
            self.queue.put_nowait(message)
        self.sent, self.read, self.reading = [], 0, False

    async def receive(self):
        assert not self.reading, "two read at once"
        self.reading = True
        try:
            message = await self.queue.get()
        finally:
            self.reading = False
        self.read += 1
        return message

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]


async def call(app, scope, line, **options):
    await SignalMiddleware(app, **options)(dict(scope), line.receive, line.send)


async def ok(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
