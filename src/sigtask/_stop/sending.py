"""How a rung's signal is sent to one task, whatever it is."""

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
    """Send it, for this ladder, and note in the row what is to be known."""
    if isinstance(task, Task):
        inbox = task._inbox or task._mailbox()
        if not inbox.stops:
            inbox.stops = (stopping,)
        elif stopping not in inbox.stops:
            inbox.stops = (*(stop for stop in inbox.stops if not stop.done.done()), stopping)
        if signal.level >= KILL_LEVEL and inbox.doom is not None:
            return  # the Kill of the task that spawned it has come to it already
        if signal.level < KILL_LEVEL and _was_cancelled_for(task, signal):
            return
        task._receive(signal, sender=stopping.asker)
    elif signal.level >= Terminate.level:
        if signal.level >= KILL_LEVEL:
            row.note = "a stock asyncio task: a Kill cannot reach it, it was asked with cancel()"
        cancel_stock(task, signal)


def _was_cancelled_for(task: Task[Any] | None, signal: Signal) -> bool:
    """Whether its parent, or the parent's parent, got this signal and cancelled it on account of that (R9).

    It is at its cleanup, and somebody of the family is waiting for that.
    """
    while isinstance(task, Task):
        cause = None if task._inbox is None else task._inbox.cause
        if cause is not None and cause.origin is signal:
            return True
        task = task._parent
    return False


def is_unheard(rung: Rung, everyone: Callable[[], Iterable[asyncio.Task[Any]]]) -> bool:
    """R26: whether the rung's signal is only ever pending, and nobody can look."""
    if rung.signal.level >= Interrupt.level:
        return False
    return not could_be_heard() or not any(isinstance(task, Task) for task in everyone())


def was_thrown_into(task: Task[Any], sent: Iterable[Signal]) -> bool:
    """Whether one of these signals has been thrown into it."""
    return any(one.fate is Fate.DELIVERED and is_one_of(one, sent) for one in task.history)


def is_one_of(delivery: Delivery, sent: Iterable[Signal]) -> bool:
    """Whether what was delivered is one of these signals."""
    return any(delivery.given.origin is origin for origin in sent)
