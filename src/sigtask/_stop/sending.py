"""How a rung's signal is sent to one task, whatever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .._core.delivery import Delivery, Fate
from .._core.flight import cancel_stock
from .._core.handling import handled_in
from .._core.listening import could_be_heard
from .._core.stock import is_task
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
        task._receive(signal, sender=stopping.asker)
    elif signal.level >= Terminate.level:
        if signal.level >= KILL_LEVEL:
            row.note = "a stock asyncio task: a Kill cannot reach it, it was asked with cancel()"
        cancel_stock(task, signal)


def is_unheard(rung: Rung, everyone: Callable[[], Iterable[asyncio.Task[Any]]]) -> bool:
    """R26: whether the rung's signal is only ever pending, and nobody can look."""
    if rung.signal.level >= Interrupt.level:
        return False
    return not could_be_heard() or not any(isinstance(task, Task) for task in everyone())


def is_cleaning_up(task: asyncio.Task[Any], *, seen: frozenset[object] = frozenset()) -> bool:
    """Whether a plain `cancel()` is under way in it, or in what it awaits: its cleanup is not done yet."""
    if not task.cancelling() or task.done() or task in seen:
        return False
    handled = [*handled_in(task.get_coro())]
    if any(isinstance(one, asyncio.CancelledError) for one in handled):
        return not any(isinstance(one, Signal) for one in handled)  # R5: a stronger one cuts in
    waiter = getattr(task, "_fut_waiter", None)  # private: see `flight.free`
    below = getattr(waiter, "_children", [waiter])
    return any(is_cleaning_up(one, seen=seen | {task}) for one in below if is_task(one))


def was_thrown_into(task: Task[Any], sent: Iterable[Signal]) -> bool:
    """Whether one of these signals has been thrown into it."""
    return any(one.fate is Fate.DELIVERED and is_one_of(one, sent) for one in task.history)


def is_one_of(delivery: Delivery, sent: Iterable[Signal]) -> bool:
    """Whether what was delivered is one of these signals."""
    return any(delivery.given.origin is origin for origin in sent)
