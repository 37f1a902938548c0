"""The owner of an inbox: a task, or a plain function that runs in a thread for one (`threads`).

Blocks, `requested()` and `time_left()` ask for it (`asking.host_here`): the running task, or else the function that
runs in this thread. What the core knows about functions is all here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from ..signals import Signal
from .inbox import Inbox


class Host(Protocol):
    """The owner of an inbox, which opens and closes blocks."""

    _inbox: Inbox | None

    def _mailbox(self) -> Inbox:
        """The inbox, made when it is first needed."""
        ...

    def _is_handling(self, signal: Signal) -> bool:
        """Whether it waits in an `except`, `finally` or `with` that this signal led to (R5)."""
        ...

    def _look_later(self) -> None:
        """A block of its own has opened or closed: look at the next turn whether a pending signal can be thrown."""
        ...

    def _look(self) -> None:
        """A block of another task has closed: look whether a pending signal can be thrown."""
        ...

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def get_name(self) -> str:
        """Its name."""
        ...


@runtime_checkable
class ThreadHost(Host, Protocol):
    """A function in a thread without a loop. Signals come from other threads, so it uses its inbox under a lock.

    `owner` is the task that waits for it, to which its signals are addressed. It opens and closes its blocks itself.
    """

    @property
    def owner(self) -> Any:
        """The task that waits for it."""
        ...

    def open(self, block: Any) -> None:
        """Enter a block, or raise what is due there."""
        ...

    def close(self, block: Any, *, leaving: bool) -> None:
        """End a block; `leaving` says that an exception goes through."""
        ...

    def has_open(self, block: Any) -> bool:
        """Whether the block is open in this function."""
        ...

    def listen(self) -> None:
        """The function asks for signals: raise what is in flight."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Call back after so many seconds; returns an object with `cancel()`."""
        ...


class _Running(threading.local):
    """The function that runs in this thread."""

    function: ThreadHost | None = None


running = _Running()
