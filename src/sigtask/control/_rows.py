"""What is told of one task, as a row: `docs/control.md` says what its fields mean.

A row is made in the task's loop or, while that is blocked, in another thread, which takes what it finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .._core.delivery import Delivery, Fate
from .._core.handling import chain
from .._core.inbox import Inbox
from .._core.stock import StockTask
from .._core.task import FreshTask, Task
from .._stop.places import Places, frame_place, is_the_users, thread_place
from .._stop.rows import place_of
from ..signals import KILL_LEVEL
from ._text import clipped, said

AnyTask = asyncio.Task[Any]
STILL = (FreshTask, StockTask)
"""Tasks of these classes have had no signal and opened no block: while they wait for the same, nothing has changed."""
DEEPEST = 50
"""Frames of a stack that are told: the innermost."""
_NOT_YET = (Fate.PENDING, Fate.IN_FLIGHT)


def row_of(
    task: AnyTask,
    number: int,
    born: float | None,
    number_of: Callable[[Any], int | None],
    places: Places,
    *,
    runs_in: int | None = None,
    stacks: bool = False,
) -> dict[str, Any]:
    """The row. `runs_in` is the thread in which this task is running, if it is."""
    coro: Any = None if task.done() else task.get_coro()
    row: dict[str, Any] = {
        "id": number,
        "name": clipped(task.get_name()),
        "coroutine": clipped(str(getattr(coro, "__qualname__", None) or type(coro).__name__)),
        "state": _state(task, coro, runs_in),
        "parent": number_of(getattr(task, "_parent", None)),
        "threshold": task.threshold if isinstance(task, Task) else None,
        "pending": [],
        "in_force": None,
        "born": born,
        "where": clipped(place_of(task, places) if runs_in is None else thread_place(runs_in), 500),
    }
    inbox: Inbox | None = getattr(task, "_inbox", None)
    if inbox is not None:
        row["pending"] = [_signal(one) for one in _waiting(inbox)[:20]]
        force = inbox.doom or (inbox.in_force() if runs_in is None else _alive(inbox))
        row["in_force"] = None if force is None else _signal(force)
    if stacks:
        row["stack"] = stack_of(coro)
    return row


def _state(task: AnyTask, coro: Any, runs_in: int | None) -> str:
    if runs_in is not None:
        return "running"
    waiter: Any = getattr(task, "_fut_waiter", None)
    if waiter is not None:
        return "ready" if waiter.done() else "waiting"
    has_begun = getattr(coro, "cr_suspended", getattr(coro, "gi_suspended", True))
    return "ready" if has_begun else "new"


def _waiting(inbox: Inbox) -> list[Delivery]:
    """What is pending, and what is in flight: that may be long, where the task awaits another that cleans up."""
    found = [one for one in inbox.pending if one.fate in _NOT_YET]
    flying = inbox.flying
    return found if flying is None or flying is inbox.doom else [*found, flying]


def _alive(inbox: Inbox) -> Delivery | None:
    """What a running task may be handling: whether it is cannot be seen from another thread."""
    return max((one for one in inbox.delivered if one.lives), key=lambda one: one.level, default=None)


def _signal(one: Delivery) -> dict[str, Any]:
    given = one.given
    return {
        "signal": clipped(type(given).__name__),
        "level": min(one.level, 10 * KILL_LEVEL),
        "reason": None if given.reason is None else said(given.reason),
        "sender": None if (sender := given.sender or one.sender) is None else said(sender),
        "sent_at": one.sent_at,
        "fate": one.fate.value,
    }


def stack_of(coro: Any) -> list[str]:
    """Where the coroutine stands, the innermost call last: the lines that are the user's or a library's."""
    found: list[str] = []
    for one in chain(coro):
        frame = getattr(one, "cr_frame", None) or getattr(one, "gi_frame", None) or getattr(one, "ag_frame", None)
        if frame is not None and is_the_users(frame.f_code.co_filename):
            found.append(clipped(frame_place(frame), 500))
            del found[:-DEEPEST]
    return found
