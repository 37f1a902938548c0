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
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ..signals import KILL_LEVEL, Signal

if TYPE_CHECKING:
    from .task import Task

_stock: Any = asyncio.Task
_cancel: Any = _stock.cancel
DEEP = 30
"""How many plain cancels may stand on the stack, one inside another, before the next one is put off."""


_Launch = tuple["Task[Any]", Signal, Any]
"""One task to cancel, and the launch whose `cancel` came to it, or `None`."""


class _Deep(NamedTuple):
    """A plain cancel that came too deep on the stack, and the one that it came through."""

    task: Task[Any]
    msg: object
    by: _Deep | None


class _Flights:
    """The launches of one thread: each may run a loop of its own."""

    __slots__ = ("deep", "depth", "now", "queue", "ring", "turn")

    def __init__(self) -> None:
        self.now: _Launch | None = None
        self.ring = False  # the launch that is going on has come back to a task it came through
        self.queue: deque[_Launch] = deque()
        self.depth = 0
        self.turn: _Deep | None = None
        self.deep: deque[_Deep] = deque()


class _Here(threading.local):
    def __init__(self) -> None:
        self.flights = _Flights()


_here = _Here()


def launch(task: Task[Any], signal: Signal) -> None:
    """asyncio's `cancel(signal)` for `task`; a Kill also cuts it loose from what will not be cancelled (R18)."""
    here = _here.flights
    if here.now is not None:
        here.queue.append((task, signal, here.now))
        return
    try:
        here.now = (task, signal, None)
        _start(here, task, signal)
    finally:
        here.now = None
        if here.queue:
            _work_off(here)


def _work_off(here: _Flights) -> None:
    failed: BaseException | None = None
    while here.queue:
        here.now = here.queue.popleft()
        try:
            _start(here, here.now[0], here.now[1])
        except BaseException as error:  # an awaited thing's own cancel() failed: the others still get theirs
            failed = error
        finally:
            here.now = None
    try:
        if failed is not None:
            raise failed
    finally:
        del failed


def cancel_plain(task: Task[Any], msg: object) -> bool:
    """asyncio's `cancel(msg)`, also for a chain of tasks for which the stack has no room.

    Raises: `RecursionError` when the tasks await each other in a ring, as in asyncio.
    """
    here = _here.flights
    if here.depth >= DEEP and not task.done():
        _put_off(here, task, msg)
        return True  # as asyncio's says of every task that is not done
    here.depth += 1
    try:
        found = bool(_cancel(task, msg))
        while here.deep and here.depth == 1:
            here.turn = here.deep.popleft()
            _cancel(here.turn.task, here.turn.msg)
        return found
    finally:
        here.depth -= 1
        if here.depth == 0:
            here.turn = None
            here.deep.clear()


def _put_off(here: _Flights, task: Task[Any], msg: object) -> None:
    by = here.turn
    while by is not None:
        if by.task is task:
            raise RecursionError(f"{task!r} awaits itself, by way of what it awaits; a signal can open such a ring")
        by = by.by
    here.deep.append(_Deep(task, msg, here.turn))


def cancel_stock(task: asyncio.Task[Any], signal: Signal) -> None:
    """All that a stock task can be told: asyncio's cancel, with the signal as its message (R25)."""
    task.cancel(msg=signal)


def _start(here: _Flights, task: Task[Any], signal: Signal) -> None:
    here.ring, failed = False, True
    try:
        _cancel(task, signal)
        failed = False
    finally:
        if failed or here.ring or signal.level >= KILL_LEVEL:
            free(task)
    if signal.level >= KILL_LEVEL:
        # A task that is running now will only then be seen to await something deaf.
        task.get_loop().call_soon(free, task)


def came_back(task: Task[Any]) -> None:
    """A signal met a task that it is in flight to. Is that one of those it came through, then they form a ring."""
    here = _here.flights
    by = here.now
    while by is not None and by[0] is not task:
        by = by[2]
    if by is not None:
        here.ring = True


def free(task: Task[Any]) -> None:
    """Cut a task loose from what it awaits, if that has not been cancelled: it is woken as if it had (R18).

    This is the one use of asyncio's private attributes, for which there is no public way: what a task awaits is
    nowhere to be read, and its wake-up, which must go or the task would be stepped twice, is known to nobody else.
    Where they are missing the task stays where it is, and a `stop()` reports it as still there.
    """
    waiter: Any = getattr(task, "_fut_waiter", None)
    if task.done() or waiter is None or waiter.done():
        return
    callbacks: list[Any] = list(getattr(waiter, "_callbacks", None) or [])
    for callback, context in callbacks:
        if getattr(callback, "__self__", None) is task:
            waiter.remove_done_callback(callback)
            gone = task.get_loop().create_future()
            gone.cancel()
            task.get_loop().call_soon(callback, gone, context=context)
            waiter.add_done_callback(_claim_cancellation)
            return


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
