"""What stands around an inbox, as far as it knows: the blocks open in its task, and work outside the loop."""

from __future__ import annotations

from typing import Any, Protocol

from ..report import ThreadReport
from ..signals import Signal

Waiter = tuple[type[Signal], Any]
"""Somebody who waits for a signal of a class to be pending: anything that has a future's `done` and `set_result`."""


class Block(Protocol):
    """What an inbox asks of the blocks open in its task (`blocks`)."""

    inbox: Any
    masks: int
    accepts: int
    plain: bool

    def handles(self, signal: Signal) -> bool:
        """Whether it is an `on_signal` that names this signal's class."""
        ...

    def take(self, task: Any, signal: Signal) -> bool:
        """Run its callback; `False` when that failed."""
        ...


class Mask(Block, Protocol):
    """A block that holds signals back, here and in the tasks spawned inside it."""

    def is_waited_for_by(self, inbox: Any) -> object:
        """It holds something in a task spawned inside it: its end is to look there."""
        ...


class Outside(Protocol):
    """The work that a task waits for outside its loop: a function in a thread, for example. A report asks after it."""

    @property
    def stays(self) -> bool:
        """Whether a report is to show it though its task waits for it no longer: after a Kill."""
        ...

    def hear(self, signal: Signal) -> object:
        """The signal is pending in the task."""
        ...

    def place(self) -> str | None:
        """Where it stands; `None` when it is done, or stands nowhere."""
        ...

    def note(self) -> str | None:
        """What the task's row is to say of it; `None` for nothing."""
        ...

    def left_behind(self) -> ThreadReport | None:
        """The thread that a Kill has left behind, if it is still there."""
        ...
