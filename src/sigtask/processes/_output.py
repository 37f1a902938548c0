"""The output of a child program, in bounded memory, and its input."""

from __future__ import annotations

import contextlib
import os
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import IO

CHUNK = 1 << 16


class Output:
    """One output of a program. Iterate over it for its lines: `async for line in program.stdout`.

    Without a reader, the last `limit` bytes are kept for the result. Once you have started to read, nothing is dropped:
    a program that writes faster than you read waits. A line longer than the limit comes in pieces.
    """

    def __init__(self, pipe: IO[bytes], loop: AbstractEventLoop, limit: int, ended: Callable[[], object]) -> None:
        self.limit = limit
        self._ended = ended
        self.dropped = 0
        self._pipe: IO[bytes] | None = pipe
        self._loop = loop
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._is_read = False
        self._reading = True
        self._news: Future[None] | None = None
        os.set_blocking(pipe.fileno(), False)
        loop.add_reader(pipe.fileno(), self._ready)

    @property
    def at_end(self) -> bool:
        """Whether all output has arrived."""
        return self._pipe is None

    @property
    def kept(self) -> bytes:
        """The output that has arrived, was not read and is kept."""
        whole = b"".join(self._chunks)
        return whole[-self.limit :] if len(whole) > self.limit else whole

    @property
    def lost(self) -> int:
        """How many bytes were not read and are not kept."""
        return self.dropped + max(0, self._size - self.limit)

    def _ready(self) -> None:
        assert self._pipe is not None
        try:
            data = os.read(self._pipe.fileno(), CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # a terminal's other end is gone
            data = b""
        if not data:
            self.close()
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._is_read and self._size > self.limit:
            self._set_reading(False)
        while not self._is_read and self._size - len(self._chunks[0]) >= self.limit:
            gone = self._chunks.popleft()
            self._size -= len(gone)
            self.dropped += len(gone)
        self._tell()

    def _set_reading(self, wanted: bool) -> None:
        if self._pipe is not None and self._reading is not wanted:
            self._reading = wanted
            if wanted:
                self._loop.add_reader(self._pipe.fileno(), self._ready)
            else:
                self._loop.remove_reader(self._pipe.fileno())

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def release(self) -> None:
        """Nobody reads any more: keep only the end, and let the program write."""
        self._is_read = False
        self._set_reading(True)

    def close(self) -> None:
        """Read no more."""
        if self._pipe is not None:
            self._set_reading(False)
            self._pipe.close()
            self._pipe = None
            self._tell()
            self._ended()

    # -- reading --------------------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return what has arrived and was not read yet; `b""` at the end. If cancelled, it has read nothing."""
        self._is_read = True
        while not self._chunks:
            if self._pipe is None:
                return b""
            self._news = self._loop.create_future()
            await self._news
        return self._take()

    def _take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._set_reading(True)
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = bytearray()  # of a line that may be very long: it is not searched or copied again for each piece
        while data := await self.read():
            *lines, last = data.split(b"\n")
            if lines and rest:
                lines[0] = bytes(rest) + lines[0]
                rest.clear()
            for line in lines:
                yield line + b"\n"
            rest += last
            if len(rest) >= self.limit:
                yield bytes(rest)
                rest.clear()
        if rest:
            yield bytes(rest)


class Input:
    """The standard input of a program."""

    def __init__(self, pipe: IO[bytes], loop: AbstractEventLoop) -> None:
        self._pipe: IO[bytes] | None = pipe
        self._loop = loop
        self._left = memoryview(b"")
        self._sent: Future[None] | None = None
        self._ends = False
        os.set_blocking(pipe.fileno(), False)

    def start(self, data: bytes, *, ends: bool) -> None:
        """Start to write this; `ends` closes the pipe after it."""
        assert self._pipe is not None
        self._left, self._ends = memoryview(data), ends
        self._loop.add_writer(self._pipe.fileno(), self._ready)

    def _ready(self) -> None:
        assert self._pipe is not None
        try:
            self._left = self._left[os.write(self._pipe.fileno(), self._left[:CHUNK]) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the program has closed it, which is no error, as for subprocess.run
            self.close()
            return
        if not self._left:
            self._loop.remove_writer(self._pipe.fileno())
            if self._ends:
                self.close()
            elif self._sent is not None and not self._sent.done():
                self._sent.set_result(None)

    async def write(self, data: bytes) -> None:
        """Write all of it; return when the pipe has taken it. If cancelled, the rest is still written.

        Raises:
            BrokenPipeError: When the program has closed its end.
            RuntimeError: While another write is in progress.
            TypeError: For text.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"write() takes bytes, got {type(data).__name__}; for example text.encode()")
        if self._pipe is not None:
            if self._left:
                raise RuntimeError("a write to this program's standard input is under way; wait for it first")
            self.start(data, ends=False)
            self._sent = self._loop.create_future()
            await self._sent
        if self._pipe is None:
            raise BrokenPipeError("the program has closed its standard input, or has ended; see its result")

    def close(self) -> None:
        """Close the program's input."""
        if self._pipe is not None:
            self._loop.remove_writer(self._pipe.fileno())
            with contextlib.suppress(OSError):
                self._pipe.close()
            self._pipe = None
            if self._sent is not None and not self._sent.done():
                self._sent.set_result(None)
