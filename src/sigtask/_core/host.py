"""What stands behind an inbox: a task, or a plain function that runs in a thread for one (`threads`).

Blocks, `requested()` and `time_left()` ask for it (`asking.host_here`): the running task, or else the function that has
this thread. The core knows of functions only what is written down here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from ..signals import Signal
from .inbox import Inbox


class Host(Protocol):
    """Who has an inbox, and opens and closes blocks."""

    _inbox: Inbox | None

    def _mailbox(self) -> Inbox:
        """The inbox, made when it is first needed."""
        ...

    def _is_handling(self, signal: Signal) -> bool:
        """Whether it waits in an `except`, `finally` or `with` that this signal led to (R5)."""
        ...

    def _look_later(self) -> None:
        """A block of its own has closed or opened: what is pending may be due."""
        ...

    def _look(self) -> None:
        """A block of another has closed: what is pending may be due."""
        ...

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def get_name(self) -> str:
        """Its name."""
        ...


@runtime_checkable
class ThreadHost(Host, Protocol):
    """A function that has a thread without a loop. Signals come from elsewhere, so it looks at its inbox under a lock.

    `owner` is the task that waits for it, to which its signals are addressed. Its blocks open and close by way of it.
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
        """It asks for signals: raise what is in flight."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Call back in so many seconds; gives what has a `cancel()`."""
        ...


class _Running(threading.local):
    """The function that runs in this thread."""

    function: ThreadHost | None = None


running = _Running()
