"""How a Kill ends a coroutine (R18, R19): thrown in, and every later await is answered with it again.

    throw ──► it ends: the task is done
         └──► it awaits ──► what it spawned is dying: it may wait for that, as a TaskGroup does
                       └──► else the Kill again, ten times
                              └──► it swallows every CancelledError: a `Killed`, which is none, ten times
                                     └──► it is abandoned: never resumed, never closed

A `Killed` unwinds what nothing else does, so that locks are given back. There is one place where that would be wrong:
a coroutine that waits to have a lock back, as `Condition.wait()` does in its `finally`, would go on to give back a lock
that another holds. It is abandoned there, but for one thing: it keeps its place in the queue for the lock, and when its
turn comes it takes it and gives it back, with the Kill on its way, or with a `Killed` at its next await; else nobody
behind it would ever get it. What waits at the beginning of an `async with lock` gives nothing back, and is unwound.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from functools import partial
from typing import Any

from ..signals import Kill
from .delivery import Delivery
from .family import has_living_children
from .flight import QUEUES, codes, leave_queue
from .inbox import Inbox

KILL_ROUNDS = 20
"""How many awaits a Kill answers before the coroutine is abandoned (R19)."""

WAITS = 3
"""How often a dying task may wait for its children, which it may start anew each time."""

TURNS = 3
"""Turns of the loop that a dying task has after the last of its children, for it to hear of their ends."""

_WITH: Any = asyncio.Lock.__aenter__.__code__
_abandoned_count = 0


class Killed(BaseException):
    """What a killed coroutine gets in the end, at an await that swallowed the Kill itself.

    Nobody else ever sees one: as soon as the coroutine has met it, it is turned into a plain `CancelledError`.
    """


def abandoned_count() -> int:
    """How many coroutines this process has abandoned.

    A coroutine that goes on after a Kill has answered 20 of its awaits is abandoned: it is never resumed and never
    closed, and it stays in memory until the process ends.

    Example::

        print(abandoned_count())  # 0

    .. versionadded:: 0.1.0
    """
    return _abandoned_count


def die(shim: Any, inbox: Inbox) -> Any:
    """The Kill in flight is thrown into the coroutine."""
    inbox.doom = inbox.land()
    try:
        return go_on(shim, inbox)
    finally:
        del shim, inbox


def go_on(shim: Any, inbox: Inbox, error: BaseException | None = None, *, returned: bool = False) -> Any:
    """One step of a task that is being killed: throw the Kill, unless what it awaited has failed or returned.

    Returns what it may wait for, because it has living children; otherwise raises what ends the task.
    """
    doom, coro = inbox.doom, shim.coro
    assert doom is not None
    try:
        while True:
            try:
                awaited = coro.send(None) if returned else _throw(coro, error, doom)
            except Kill:
                raise
            except (StopIteration, CancelledError):
                break  # it swallowed the Kill and returned, or raised something else: no difference
            error, returned = None, False
            if inbox.waits < WAITS and watch(inbox):
                inbox.waits += 1
                shim.send = shim._resume
                return awaited
            doom.refused += 1
            _refuse(awaited)
            if doom.refused == KILL_ROUNDS or (doom.refused >= KILL_ROUNDS // 2 and _waits_for_a_lock(coro)):
                inbox.abandoned = True
                _abandon(coro, awaited, doom)
                break
            leave_queue(coro, awaited)
        raise doom.fresh()
    finally:
        del doom, coro, error, shim, inbox


def _throw(coro: Any, error: BaseException | None, doom: Delivery) -> Any:
    if error is not None or doom.refused < KILL_ROUNDS // 2:
        return coro.throw(error or doom.fresh())
    killed: Any = Killed()
    try:
        return coro.throw(killed)
    except Killed:
        raise CancelledError from None
    except BaseExceptionGroup as group:  # a TaskGroup took it for an error of its body, and wraps it
        others = group.split(Killed)[1]
        if others is None:
            raise CancelledError from None
        raise others from None
    finally:
        killed.__cause__ = doom.signal
        killed.__class__ = CancelledError
        del killed


def watch(inbox: Inbox) -> bool:
    """Whether a dying task may wait, as it has living children, or has yet to hear of their ends; not for longer."""
    task: Any = inbox.task()
    if not inbox.nudged and has_living_children(task):
        inbox.nudged = True
        task.get_loop().call_soon(_nudge, inbox, TURNS)
    return inbox.nudged


def _nudge(inbox: Inbox, turns: int) -> None:
    task = inbox.task()
    if task is None or task.done():
        return
    if has_living_children(task):
        turns = TURNS
    elif not turns:
        inbox.nudged = False
        task._wake_up()
        return
    task.get_loop().call_soon(_nudge, inbox, turns - 1)


def _refuse(awaited: Any) -> None:
    """Do not await what the coroutine yields. A future is marked as it is yielded, and who takes it takes the mark off.

    That is the protocol of asyncio's futures, which `asyncio.isfuture` goes by; with the mark left on, the next task to
    await this future would get "await wasn't used with future".
    """
    if getattr(awaited, "_asyncio_future_blocking", None):
        awaited._asyncio_future_blocking = False


# -- what even that does not end --------------------------------------------------------------------------------------


def _abandon(coro: Any, awaited: Any, doom: Delivery) -> None:
    """Keep `coro` alive for ever: closing it could spin, and the interpreter closes what it frees, even at exit."""
    global _abandoned_count
    _abandoned_count += 1
    try:
        from ctypes import py_object, pythonapi
    except (ImportError, OSError):  # no ctypes to be had: alive at least until the interpreter clears its modules
        _kept.append(coro)
    else:
        pythonapi.Py_IncRef(py_object(coro))
    _keep_place(coro, awaited, doom)


_kept: list[object] = []


def _waits_for_a_lock(coro: Any) -> bool:
    """Whether it may be to have it back: it does not wait at the beginning of an `async with`."""
    waits_in = codes(coro)
    return _WITH not in waits_in and not waits_in.isdisjoint(QUEUES)


def _keep_place(coro: Any, awaited: Any, doom: Delivery) -> bool:
    keeps = _waits_for_a_lock(coro)
    if keeps:
        awaited.add_done_callback(partial(_pass_on, coro, doom))
    return keeps


def _pass_on(coro: Any, doom: Delivery, turn: asyncio.Future[Any]) -> None:
    """It is an abandoned coroutine's turn to have a lock: it takes it, and gives it back."""
    step = partial(coro.send, None)
    try:
        for _ in range(KILL_ROUNDS):
            awaited = step()
            _refuse(awaited)
            if _keep_place(coro, awaited, doom):
                return
            leave_queue(coro, awaited)
            step = partial(_throw, coro, None, doom)
    except (StopIteration, CancelledError):
        return
    except Exception as error:
        context = {"message": f"{coro!r}, abandoned by a Kill, failed while it gave back a lock", "exception": error}
        turn.get_loop().call_exception_handler(context)
