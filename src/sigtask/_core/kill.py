"""How a Kill ends a coroutine (R18, R19): thrown in, and every later await is answered with it again.

    throw ──► it ends: the task is done
         └──► it awaits ──► what it spawned is dying: it may wait for that, as a TaskGroup does
                       └──► else the Kill again, up to `KILL_ROUNDS` times; then it is abandoned

An abandoned coroutine is never resumed, but for one thing: one that queues for a lock keeps a place in that queue. When
its turn comes it takes the lock and, with the Kill on its way, gives it back; else nobody behind it would ever get it.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

from ..signals import Kill
from .family import has_living_children

if TYPE_CHECKING:
    from .inbox import Inbox
    from .shim import Shim

KILL_ROUNDS = 20
"""How many awaits a Kill answers before the coroutine is abandoned (R19)."""

WAITS = 3
"""How often a dying task may wait for its children: a supervisor that starts a new one each time is not to live on."""

TURNS = 3
"""Turns of the loop that a dying task has after the last of its children, for it to hear of their ends."""

_QUEUES = (asyncio.Lock.acquire.__code__, asyncio.Semaphore.acquire.__code__)
_abandoned_count = 0


def abandoned_count() -> int:
    """How many coroutines this process has abandoned (R19). Each stays in memory until the process ends."""
    return _abandoned_count


def die(shim: Shim, inbox: Inbox) -> Any:
    """The Kill in flight is thrown into the coroutine."""
    inbox.doom = inbox.land()
    return go_on(shim, inbox)


def go_on(shim: Shim, inbox: Inbox, error: BaseException | None = None, *, returned: bool = False) -> Any:
    """One step of a task that is being killed: the Kill is thrown, unless what it awaited has failed or returned.

    Gives what it may wait for, as it has living children. Else raises what ends the task.
    """
    doom, coro = inbox.doom, shim.coro
    assert doom is not None
    try:
        while True:
            try:
                awaited = coro.send(None) if returned else coro.throw(error or doom.fresh())
            except Kill:
                raise
            except (StopIteration, CancelledError):
                break  # it swallowed the Kill and returned, or put another in its place: that changes nothing
            error, returned = None, False
            if inbox.waits < WAITS and has_living_children(inbox.task()):
                inbox.waits += 1
                shim.send = shim._resume
                _watch(inbox)
                return awaited
            doom.refused += 1
            _refuse(awaited)
            if doom.refused == KILL_ROUNDS:
                inbox.abandoned = True
                _abandon(coro, awaited)
                break
        raise doom.fresh()
    finally:
        del doom, coro, error, shim, inbox


def _watch(inbox: Inbox) -> None:
    """See to it that a dying task does not wait longer than for its children."""
    if not inbox.looking:
        inbox.looking = True
        inbox.task().get_loop().call_soon(_nudge, inbox, TURNS)


def _nudge(inbox: Inbox, turns: int) -> None:
    task = inbox.task()
    if task is None or task.done():
        return
    if has_living_children(task):
        turns = TURNS
    elif not turns:
        inbox.looking = False
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


def _abandon(coro: Any, awaited: Any) -> None:
    """Keep `coro` alive for ever: closing it could spin, and the interpreter closes what it frees, even at exit."""
    global _abandoned_count
    _abandoned_count += 1
    try:
        from ctypes import py_object, pythonapi
    except ImportError:  # a Python built without ctypes: alive at least until the interpreter clears its modules
        _kept.append(coro)
    else:
        pythonapi.Py_IncRef(py_object(coro))
    _keep_place(coro, awaited)


_kept: list[object] = []


def _keep_place(coro: Any, awaited: Any) -> None:
    innermost = coro
    while (inner := getattr(innermost, "cr_await", None)) is not None and hasattr(inner, "cr_code"):
        innermost = inner
    if getattr(innermost, "cr_code", None) in _QUEUES:
        awaited.add_done_callback(partial(_pass_on, coro))


def _pass_on(coro: Any, turn: asyncio.Future[Any]) -> None:
    """It is an abandoned coroutine's turn to have a lock: it takes it, and gives it back."""
    try:
        awaited = coro.send(None)
    except (StopIteration, CancelledError):
        return
    except Exception as error:
        context = {"message": f"{coro!r}, abandoned by a Kill, failed while it gave back a lock", "exception": error}
        turn.get_loop().call_exception_handler(context)
        return
    _refuse(awaited)
    _keep_place(coro, awaited)
