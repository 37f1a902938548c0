"""The client of a program that serves: it asks for one path, and holds on to the connection until the program's end."""

from __future__ import annotations

import socket
import time


class Client:
    """A connection to a port of this machine. Without a path it is none, and everything does nothing."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.socket: socket.socket | None = None

    def open(self, patience: float) -> bool:
        """Ask, as soon as somebody listens, and wait for the first of the answer; False where nobody does in time."""
        end = time.monotonic() + patience
        while self.path and time.monotonic() < end:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=patience)
                self.socket.sendall(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                return bool(self.socket.recv(1))
            except ConnectionError:
                time.sleep(0.05)
        return not self.path

    def close(self) -> None:
        """Let go."""
        if self.socket is not None:
            self.socket.close()
