"""How the signal of a rung is sent to one task of any class."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .._core.delivery import Delivery, Fate
from .._core.flight import cancel_stock
from .._core.listening import could_be_heard
from .._core.task import Task
from ..ladder import Rung
from ..report import TaskReport
from ..signals import KILL_LEVEL, Interrupt, Signal, Terminate


def send_rung(stopping: Any, task: asyncio.Task[Any], row: TaskReport, signal: Signal) -> None:
    """Send it for this ladder, and note in the task's row what it tells."""
    if isinstance(task, Task):
        inbox = task._inbox or task._mailbox()
        if not inbox.stops:
            inbox.stops = (stopping,)
        elif stopping not in inbox.stops:
            inbox.stops = (*(stop for stop in inbox.stops if not stop.done.done()), stopping)
        if signal.level >= KILL_LEVEL and inbox.doom is not None:
            return  # its parent's Kill has already reached it
        task._receive(signal, False, stopping.asker)
    elif signal.level >= Terminate.level:
        if signal.level >= KILL_LEVEL:
            row.note = "a stock asyncio task: a Kill cannot reach it, it was asked with cancel()"
        cancel_stock(task, signal)


def has_been_told(task: asyncio.Task[Any], signal: Signal) -> bool:
    """Whether this signal has come to it by another way: by who awaits it (R8), or by its parent's `cancel()` (R9).

    Cancelled by its parent, or the parent's parent, it is at its cleanup, and somebody of the family waits for that.
    """
    if not isinstance(task, Task) or signal.level >= KILL_LEVEL:
        return False
    if was_thrown_into(task, (signal,)):
        return True
    above: Any = task
    while isinstance(above, Task):
        cause = None if above._inbox is None else above._inbox.cause
        if cause is not None and cause.origin is signal:
            return True
        above = above._parent
    return False


def is_unheard(rung: Rung, everyone: Callable[[], Iterable[asyncio.Task[Any]]]) -> bool:
    """R26: whether the signal can only ever be pending, and no code can ask for it."""
    if rung.signal.level >= Interrupt.level:
        return False
    return not could_be_heard() or not any(isinstance(task, Task) for task in everyone())


def was_thrown_into(task: Task[Any], sent: Iterable[Signal]) -> bool:
    """Whether one of these signals has been thrown into it."""
    return any(one.fate is Fate.DELIVERED and is_one_of(one, sent) for one in task.history)


def is_one_of(delivery: Delivery, sent: Iterable[Signal]) -> bool:
    """Whether what was delivered is one of these signals."""
    return any(delivery.given.origin is origin for origin in sent)
