"""A probe stands between a task and its coroutine, and counts how often it is suspended.

    asyncio's task ──► sigtask's shim ──► probe ──► the coroutine

It lets everything through, both ways. A suspension is what comes out of `send` or `throw`: the task is still in its
step then, and will next await what came out. So a callback that is asked of the loop now runs before whatever could
wake the task, and a signal that it sends is thrown at exactly that await.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any, Protocol

NEVER = sys.maxsize


class Watcher(Protocol):
    """Who is told of a suspension."""

    def suspended(self, probe: Probe, awaited: Any) -> None:
        """The probe's coroutine has been suspended for the `probe.count`-th time, which is `probe.at` or later.

        `awaited` is what came out: a future, or `None` for a turn of the loop.
        """
        ...

    def thrown(self, probe: Probe, error: CancelledError) -> None:
        """A signal or a cancellation is about to be thrown in."""
        ...


class Probe(Coroutine[Any, Any, Any]):
    """Drives `coro`, the coroutine of the `number`-th task; tells its watcher from the `at`-th suspension on."""

    __slots__ = ("_send", "at", "coro", "count", "number", "watcher")

    def __init__(self, coro: Coroutine[Any, Any, Any], number: int, watcher: Watcher, at: int) -> None:
        self.coro = coro
        self.number = number
        self.watcher = watcher
        self.at = at
        self.count = 0
        self._send = coro.send

    def send(self, value: Any) -> Any:
        """As the coroutine's."""
        yielded = self._send(value)
        self.count += 1
        if self.count >= self.at:
            self.watcher.suspended(self, yielded)
        return yielded

    def throw(self, error: Any, *more: Any) -> Any:
        """As the coroutine's."""
        try:
            if isinstance(error, CancelledError):
                self.watcher.thrown(self, error)
            yielded = self.coro.throw(error, *more)
        finally:
            del error, more  # it keeps the frames that it passed, and this is one of them
        self.count += 1
        if self.count >= self.at:
            self.watcher.suspended(self, yielded)
        return yielded

    def close(self) -> None:
        """As the coroutine's."""
        self.coro.close()

    def __await__(self) -> Any:
        return self.coro.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coro, name)  # `__name__`, `cr_code` and whatever else a library asks a coroutine for

    # Whoever looks for a task's frame, or asks whether it runs, looks these up in the class.

    @property
    def cr_frame(self) -> Any:
        """The coroutine's frame."""
        return getattr(self.coro, "cr_frame", None) or getattr(self.coro, "gi_frame", None)

    @property
    def cr_await(self) -> Any:
        """What the coroutine awaits."""
        return getattr(self.coro, "cr_await", None) or getattr(self.coro, "gi_yieldfrom", None)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine runs."""
        return bool(getattr(self.coro, "cr_running", False) or getattr(self.coro, "gi_running", False))

    def __repr__(self) -> str:
        return repr(self.coro)
