"""Frames between a loop and a worker: the number of the call, the length, and a pickle."""

from __future__ import annotations

import socket
import struct
from asyncio import AbstractEventLoop
from collections.abc import Callable

HEADER = struct.Struct("!QQ")
RESULT, ERROR = b"RE"
"""The first byte of an outcome."""


def framed(number: int, payload: bytes) -> bytes:
    """A frame, whole."""
    return HEADER.pack(number, len(payload)) + payload


def receive(sock: socket.socket) -> tuple[int, bytearray] | None:
    """The next frame of a blocking socket; `None` when the other side has closed it."""
    head = _exactly(sock, HEADER.size)
    if head is None:
        return None
    number, length = HEADER.unpack(head)
    body = _exactly(sock, length)
    return None if body is None else (number, body)


def _exactly(sock: socket.socket, length: int) -> bytearray | None:
    data = bytearray(length)
    view, filled = memoryview(data), 0
    while filled < length:
        count = sock.recv_into(view[filled:])
        if not count:
            return None
        filled += count
    return data


class Channel:
    """The loop's end of a socket to a worker: whole frames come in, and go out, without a wait."""

    def __init__(
        self, sock: socket.socket, loop: AbstractEventLoop, on_frame: Callable[[int, memoryview], object]
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._on_frame = on_frame
        self._head = bytearray()
        self._body: bytearray | None = None
        self._filled = 0
        self._number = 0
        self._unsent: list[memoryview] = []
        self._open = True
        self._buffer = memoryview(bytearray(1 << 16))
        loop.add_reader(sock.fileno(), self._readable)

    # -- out ------------------------------------------------------------------------------------------------------

    def send(self, number: int, payload: bytes) -> None:
        """Send a frame. What a dead worker does not take is lost: its end is told elsewhere."""
        if not self._open:
            return
        frame = memoryview(framed(number, payload))
        if not self._unsent:
            frame = frame[self._write(frame) :]
            if frame and self._open:
                self._loop.add_writer(self._sock.fileno(), self._writable)
        if frame:
            self._unsent.append(frame)

    def _write(self, data: memoryview) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:  # the worker is gone
            return len(data)

    def _writable(self) -> None:
        self._unsent[0] = self._unsent[0][self._write(self._unsent[0]) :]
        if not self._unsent[0]:
            del self._unsent[0]
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())

    # -- in -------------------------------------------------------------------------------------------------------

    def read_rest(self) -> None:
        """The worker is dead: take in what it has still said."""
        while self._open and self._read():
            pass

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Take in what is there; whether there was anything."""
        try:
            if self._body is not None:
                count = self._sock.recv_into(memoryview(self._body)[self._filled :])
            else:
                count = self._sock.recv_into(self._buffer)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            count = 0
        if not count:
            self._loop.remove_reader(self._sock.fileno())
            return False
        if self._body is not None:
            self._filled += count
            self._finish_body()
        else:
            self._take(self._buffer[:count])
        return True

    def _take(self, data: memoryview) -> None:
        while data:
            if self._head or len(data) < HEADER.size:  # a header in pieces: rare
                missing = HEADER.size - len(self._head)
                self._head += data[:missing]
                data = data[missing:]
                if len(self._head) < HEADER.size:
                    return
                head: bytes | bytearray | memoryview = bytes(self._head)
                self._head.clear()
            else:
                head, data = data[: HEADER.size], data[HEADER.size :]
            number, length = HEADER.unpack(head)
            if len(data) < length:
                self._number, self._body, self._filled = number, bytearray(length), len(data)
                self._body[: len(data)] = data
                return
            self._on_frame(number, data[:length])
            data = data[length:]

    def _finish_body(self) -> None:
        if self._body is not None and self._filled == len(self._body):
            body, self._body = self._body, None
            self._on_frame(self._number, memoryview(body))

    def close(self) -> None:
        """The worker sees the end of the stream."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
