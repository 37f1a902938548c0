"""The children of one loop: how their end is noticed, and how none of them outlives the loop.

asyncio's own child watchers differ by version (a thread for each child on 3.11, pidfd on 3.12), and uvloop has another.
Here it is a pidfd with `add_reader` on every loop, or a thread without pidfd. So starting a child is one synchronous
step, in which no cancellation can come (python/cpython#118516).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from ._groups import dismiss_guard

REAP = 5.0
"""Seconds in which the loop's last children, having got a SIGKILL, must be gone; the kernel takes milliseconds."""


class Child(Protocol):
    """A program or a worker that was started here."""

    popen: subprocess.Popen[bytes]

    def leave(self) -> None:
        """The loop ends, and so must the child."""


class Children:
    """All children of one loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.living: set[Child] = set()
        self.pool: Any = None
        """The workers of this loop that `to_process` takes when it is given no pool."""
        self._all_gone: asyncio.Future[None] | None = None
        # `asyncio.run`, `sigtask.run` and asyncio.Runner close async generators when all tasks have ended and the loop
        # still turns: the one public place for a cleanup that belongs to a loop.
        self._stays = self._stay()
        with contextlib.suppress(StopIteration):
            self._stays.__anext__().__await__().__next__()

    async def _stay(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._end()
            _homes.pop(self.loop, None)

    async def _end(self) -> None:
        for child in tuple(self.living):
            child.leave()
        if self.living:
            self._all_gone = self.loop.create_future()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REAP):
                    await self._all_gone
        for child in tuple(self.living):  # a loop with a fake clock
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.popen.wait(REAP)
        dismiss_guard()

    def add(self, child: Child) -> None:
        """It was started."""
        self.living.add(child)

    def remove(self, child: Child) -> None:
        """It is gone."""
        self.living.discard(child)
        if not self.living and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)


_homes: WeakKeyDictionary[AbstractEventLoop, Children] = WeakKeyDictionary()


def children_of(loop: AbstractEventLoop) -> Children:
    """The children of the running loop."""
    home = _homes.get(loop)
    if home is None:
        home = _homes[loop] = Children(loop)
    return home


def when_gone(popen: subprocess.Popen[bytes], loop: AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Call `gone()` in the loop when the process has ended; it is reaped then, and `popen.returncode` is its status."""
    try:
        fd = os.pidfd_open(popen.pid)
    except (AttributeError, OSError):  # not Linux, or a sandbox that does not know it
        threading.Thread(target=_wait, args=(popen, loop, gone), name="sigtask-child", daemon=True).start()
        return

    def ended() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        popen.wait()
        gone()

    loop.add_reader(fd, ended)


def _wait(popen: subprocess.Popen[bytes], loop: AbstractEventLoop, gone: Callable[[], None]) -> None:
    popen.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(gone)
