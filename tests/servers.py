"""ASGI servers as processes, and raw connections to them."""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

from launching import PATIENCE, Process

APPS = Path(__file__).parent / "services" / "apps"

SERVERS = {
    "uvicorn": ("uvicorn", "--port", "{port}", "--http", "httptools", "--no-access-log", "{app}"),
    "uvicorn-h11": ("uvicorn", "--port", "{port}", "--http", "h11", "--no-access-log", "{app}"),
    "hypercorn": ("hypercorn", "-w", "0", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "20", "{app}"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "{app}"),
}
if sys.version_info >= (3, 15):
    del SERVERS["granian"]  # its receive() gives nothing, also without us (2.8.9)
OWN = {"aiohttp": ("aiohttp_app.py", "{port}")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server(Process):
    """An app under a server, on a port of its own."""

    def __init__(self, kind, app="asgi_app:app", under=(), extra=(), env=None, **options):
        self.kind, self.port = kind, free_port()
        words = [word.format(port=self.port, app=app) for word in {**SERVERS, **OWN}[kind]]
        command = [sys.executable, *under, *(() if kind == "aiohttp" else ("-m",)), *words, *extra]
        super().__init__(command, APPS, {"OPTIONS": json.dumps(options), **(env or {})}, process_group=0)
        self.url = f"127.0.0.1:{self.port}"
        self._raw = []  # a connection that nobody holds would be closed

    def ready(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            assert self.popen.poll() is None and time.monotonic() < deadline, self.stderr
            time.sleep(0.02)

    def connect(self, receive_buffer=None):
        """A raw connection."""
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(PATIENCE)
        self._raw.append(raw)
        raw.connect(("127.0.0.1", self.port))
        return raw

    def ask(self, path, *headers, method="GET", body=b"", **options):
        """A raw connection on which that has been asked."""
        raw = self.connect(**options)
        raw.sendall("\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *headers, "", "")).encode() + body)
        return raw

    def lose(self, path, *headers, **options):
        """A client asks that, and goes away when the handler has begun."""
        raw = self.ask(path, *headers, **options)
        self.wait_for("began")
        raw.close()

    def end(self):
        """With its workers, which hold its output open."""
        for raw in self._raw:
            raw.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        super().end()

    def terminate(self):
        return self.signal(signal.SIGTERM)


def resets_when_closed(raw):
    """From now on, closing this socket sends a RST."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_all(raw):
    """What comes until the server closes."""
    data = b""
    with raw, contextlib.suppress(ConnectionResetError):
        while got := raw.recv(65536):
            data += got
    return data.decode(errors="replace")
