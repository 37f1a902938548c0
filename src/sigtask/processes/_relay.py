"""What a task awaits while something outside its loop works for it.

asyncio's `cancel` of a task calls `cancel` of what the task awaits, and a signal is its message (R8). Here that hands
the signal over, and the task goes on waiting until the work has ended: with a result, or with the signal.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, TypeVar

from .._core.flight import as_sent, passed_on
from .._core.stock import current
from .._stop.time import at_work_on
from ..signals import KILL_LEVEL, Kill, Signal

_T = TypeVar("_T")
_stock_future: Any = asyncio.Future


class Relay(asyncio.Future[_T]):
    """A future whose `cancel(msg)` calls `take(msg)` and leaves it pending; `give_up()` cancels it in earnest.

    `asked` tells whether that has happened, and `msg` is the strongest that came: a signal, or a plain cancel's
    message. A Kill is not waited for. With `judges`, the work has an inbox of its own, which is to have a repeat (R8).
    """

    below = ()

    def __init__(self, take: Callable[[object], object], *, loop: AbstractEventLoop, judges: bool = False) -> None:
        super().__init__(loop=loop)
        self.is_busy = not judges
        self.task: Any = current()
        self.asked = False
        self.msg: object = None
        self._take = take

    def cancel(self, msg: Any | None = None) -> bool:
        """Hand it over. `False` when the work has ended."""
        if self.done():
            return False
        if isinstance(msg, Signal):
            passed_on(msg, self)
        msg = as_sent(self.task, msg)
        if not isinstance(self.msg, Signal) or isinstance(msg, Signal):
            self.msg = msg
        self.asked = True
        self._take(msg)
        return self.give_up() if is_kill(msg) else True

    def give_up(self) -> bool:
        """What was asked for comes true: the task that waits is thrown into."""
        return bool(_stock_future.cancel(self, self.msg))


def is_kill(msg: object) -> bool:
    """Whether it is a signal that nothing waits for."""
    return isinstance(msg, Signal) and msg.level >= KILL_LEVEL


def ladder_will_kill(task: object) -> bool:
    """Whether a ladder is at work on this task that ends with a Kill: then the grace is the ladder's to give."""
    return any(issubclass(rung.signal, Kill) for stopping in at_work_on(task) for rung in stopping.ladder.rungs)
