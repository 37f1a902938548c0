"""How a signal is put in flight: asyncio's `cancel`, for the task and for those that it awaits (R8).

asyncio's `cancel` calls the awaited task's `cancel`, which calls the next one's. A chain of a thousand tasks would
overflow the stack, and a ring of tasks would go round for ever (python/cpython#80637). So a launch inside a launch
only takes its place in a queue, and the outermost one works it off before it returns: no turn of the loop passes.

    task ──awaits──► task ──awaits──► task      each one's `cancel` runs on the same shallow stack
      ▲                                 │
      └──────────── awaits ─────────────┘       a ring: the last is cut loose, or none of them would ever be thrown into
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import deque
from types import BuiltinMethodType
from typing import Any

from ..signals import KILL_LEVEL, Signal
from .delivery import Delivery, PassedOn
from .handling import chain
from .native import speed
from .stock import cancel as _cancel

QUEUES = (asyncio.Lock.acquire.__code__, asyncio.Semaphore.acquire.__code__)


class _Launch:
    """One task to cancel, for which signal, and the launch whose `cancel` came to it, or `None`."""

    __slots__ = ("by", "delivery", "task")

    def __init__(self, task: Any, delivery: Delivery, by: _Launch | None) -> None:
        self.task = task
        self.delivery = delivery
        self.by = by


class _Flights(threading.local):
    """The launches of one thread: each may run a loop of its own."""

    def __init__(self) -> None:
        self.now: _Launch | None = None
        self.ring = False  # the current launch has come back to a task that it came through
        self.queue: deque[_Launch] = deque()


_here = _Flights()


def launch(task: Any, delivery: Delivery) -> None:
    """asyncio's `cancel(signal)` for `task`; a Kill also cuts it loose from what will not be cancelled (R18)."""
    here = _here
    if (now := here.now) is not None:
        here.queue.append(_Launch(task, delivery, now))
        return
    try:
        here.now = _Launch(task, delivery, None)
        _start(here, task, delivery)
    finally:
        here.now = None
        if here.queue:
            _work_off(here)


def _work_off(here: _Flights) -> None:
    failed: BaseException | None = None
    while here.queue:
        here.now = now = here.queue.popleft()
        try:
            _start(here, now.task, now.delivery)
        except BaseException as error:  # the cancel() of an awaited object failed: the others still get theirs
            failed = error
        finally:
            here.now = None
    try:
        if failed is not None:
            raise failed
    finally:
        del failed


def _start(here: _Flights, task: Any, delivery: Delivery) -> None:
    here.ring, failed = False, True
    try:
        _cancel(task, delivery.given)
        failed = False
    finally:
        if failed or here.ring or delivery.level >= KILL_LEVEL:
            free(task)


def passed_on(msg: Signal, below: PassedOn) -> None:
    """What a task awaits was cancelled with `msg`: note what became of it there, if that is the launch going on."""
    now = _here.now
    if now is not None and now.delivery.given.origin is msg.origin:
        if now.delivery.below:
            now.delivery.below.append(below)
        else:
            now.delivery.below = [below]


def as_sent(task: object, msg: object) -> object:
    """The message of a `cancel()` that `task` passes on to what it awaits: a signal as it was sent to the task."""
    inbox: Any = getattr(task, "_inbox", None)
    flying = None if inbox is None else inbox.flying
    return msg if flying is None or flying.given is not msg else flying.signal


def came_back(task: Any) -> None:
    """A signal met a task that it is in flight to. Is that one of those it came through, then they form a ring."""
    by = _here.now
    while by is not None and by.task is not task:
        by = by.by
    if by is not None:
        _here.ring = True


if speed is not None:
    launch, passed_on, came_back = speed.launch, speed.passed_on, speed.came_back


def cancel_stock(task: asyncio.Task[Any], signal: Signal) -> None:
    """Send a signal to a stock task: asyncio's cancel with the signal as its message; it takes nothing else (R25)."""
    task.cancel(msg=signal)


def free(task: Any) -> bool:
    """Cut a task loose from what it awaits, if that has not been cancelled: it is woken as if it had (R18).

    `False` says that it waits for nothing: it is ready to run, or has not begun.

    Uses private attributes of asyncio's, `_fut_waiter` and `_callbacks`, for which there is no public way: what a task
    awaits is nowhere to be read, and its wake-up, which must go or the task would be stepped twice, is known to nobody
    else. A future that is not asyncio's keeps its callbacks elsewhere: the wake-up is then found among all objects.
    Where `_fut_waiter` is missing the task stays where it is, and a `stop()` reports it as still there.
    """
    waiter: Any = getattr(task, "_fut_waiter", None)
    if task.done() or waiter is None or waiter.done():
        return False
    wake_up, context = _wake_up_of(task, waiter)
    if wake_up is None:
        return True  # it is being woken already
    if hasattr(waiter, "remove_done_callback"):
        waiter.remove_done_callback(wake_up)
    leave_queue(task.get_coro(), waiter)
    gone = task.get_loop().create_future()
    gone.cancel()
    task.get_loop().call_soon(wake_up, gone, context=context)
    if hasattr(waiter, "_exception"):
        waiter.add_done_callback(_claim_cancellation)
    return True


def leave_queue(coro: Any, waiter: Any) -> None:
    """Cancel what a killed coroutine no longer awaits, if that is its own place in the queue of a lock.

    A Semaphore, up to Python 3.12, goes by it: the place is taken by a waiter whose future was not cancelled. Any other
    future may still be awaited by others.
    """
    if not codes(coro).isdisjoint(QUEUES) and not waiter.done():
        waiter.cancel()


def codes(coro: Any) -> set[Any]:
    """The code of the coroutine, and of all that it waits in."""
    return {getattr(one, "cr_code", None) for one in chain(coro)}


def _wake_up_of(task: Any, waiter: Any) -> tuple[Any, Any]:
    """asyncio's own callback that wakes this task, and its context; `None` when the task is being woken already."""
    if hasattr(waiter, "_callbacks"):
        found = (pair for pair in waiter._callbacks or () if getattr(pair[0], "__self__", None) is task)
        return next(found, (None, None))
    for one in gc.get_referrers(task):  # of a future that keeps them elsewhere: all that Python holds is looked through
        if isinstance(one, BuiltinMethodType) and one.__self__ is task and one.__name__ == "task_wakeup":
            return one, None
    return None, None


def _claim_cancellation(waiter: Any) -> None:
    """Nobody awaits it any more. `gather` keeps a cancellation as its exception: that is not to be called lost."""
    if not waiter.cancelled() and isinstance(error_left_in(waiter), asyncio.CancelledError):
        waiter.exception()


def error_left_in(future: asyncio.Future[Any]) -> BaseException | None:
    """What a future that is done has raised, without counting as the one who asked: asyncio still complains.

    A private attribute of asyncio's, read and never written, for `exception()` has no way to look without that mark.
    Where it is missing, the answer is `None`.
    """
    return getattr(future, "_exception", None)
