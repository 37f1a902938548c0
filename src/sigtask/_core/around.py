"""What an inbox knows about its surroundings: the blocks open in its task, and work outside the loop."""

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
        """Run its callback. False if that failed."""
        ...


class Mask(Block, Protocol):
    """A block that holds signals back, here and in the tasks spawned inside it."""

    def is_waited_for_by(self, inbox: Any) -> object:
        """It holds a signal in a task that was spawned inside: when it ends, it looks there."""
        ...


class Outside(Protocol):
    """Work outside the loop that a task waits for, such as a function in a thread. A report asks it where it is."""

    @property
    def stays(self) -> bool:
        """Whether a report shows it when its task no longer waits for it: after a Kill."""
        ...

    def hear(self, signal: Signal) -> object:
        """The signal is pending in the task."""
        ...

    def place(self) -> str | None:
        """Where it is; `None` when it is done."""
        ...

    def note(self) -> str | None:
        """What the task's row in a report says about it; `None` for nothing."""
        ...

    def left_behind(self) -> ThreadReport | None:
        """The thread that a Kill has left behind, if it is still there."""
        ...
