"""What a row of the report says about a task: where it is, what it did with its signals, and how it ended (R28)."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .._core.delivery import Delivery, Fate
from .._core.flight import error_left_in
from .._core.handling import chain
from .._core.inbox import Inbox
from .._core.scopes import leaving
from .._core.task import Task
from ..report import Report, TaskReport
from ..signals import KILL_LEVEL, Interrupt
from .masked import held_back
from .places import Places, is_the_users, short, task_place

AnyTask = asyncio.Task[Any]
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep


def place_of(task: AnyTask, places: Places) -> str:
    """Where a task is, and what it waits for outside its loop."""
    inbox: Inbox | None = getattr(task, "_inbox", None)
    if inbox is None or not inbox.outside:
        return places.of(task)
    return task_place(task, *(place for one in inbox.outside if (place := one.place()) is not None))


def new_row(task: AnyTask, *, descendant: bool = False) -> TaskReport:
    """The row of a task about which nothing else is known yet."""
    may_be_asked = isinstance(task, Task) or not task.done()  # CPython 3.12.1 crashes when another is asked at its end
    coro: Any = task.get_coro() if may_be_asked else None  # a task that was started eagerly no longer has it
    what: str = getattr(coro, "__qualname__", "")
    return TaskReport(task.get_name(), descendant=descendant, coroutine=what)


def settle(row: TaskReport, inbox: Inbox) -> None:
    """Fill in what is known of the task by now."""
    row.refused = sum(delivery.refused for delivery in inbox.history)
    row.abandoned = inbox.abandoned
    if inbox.outside:
        row.note = "; ".join(note for one in inbox.outside if (note := one.note())) or row.note
    if row.abandoned:
        row.ended = "abandoned"


def look_back(row: TaskReport, task: AnyTask, places: Places, is_ours: Callable[[Delivery], bool]) -> None:
    """Note what the task did with the signals so far: the next rung begins, or the ladder is over (R28).

    A signal that was thrown into it has led to a cleanup, which it may still be at; else it has gone on, and swallowed
    the signal. That can be said of a task that is suspended.
    """
    place, row.stack = place_of(task, places), places.stack_of(task)
    inbox: Inbox | None = getattr(task, "_inbox", None)
    if inbox is None or not isinstance(task, Task) or task._is_running():
        return
    answering: Delivery | None = None
    swallowed: list[Delivery] = []
    answered: list[Delivery] = []
    for one in inbox.history:
        if one.fate is not Fate.DELIVERED or one.level >= KILL_LEVEL:
            continue
        keeper = None
        if one.is_busy or _is_to_be_raised(one, task, keeper := _keeper(one, task)):
            answering = one if answering is None or one.level >= answering.level else answering
        elif is_ours(one) and (one.taken_back or keeper is not None):
            answered.append(one)
        elif is_ours(one):
            swallowed.append(one)
    row.cleaning_up = None if answering is None else f"{_name(answering)} at {place}"
    row.swallowed = [_swallowed(one, row) for one in swallowed]
    said = [_answered(one) for one in answered if one.level >= Interrupt.level]
    if (held := held_back(inbox, is_ours)) is not None:
        said.append(held)
    row.note = "; ".join(said) or row.note


def look_back_at(alive: Mapping[AnyTask, TaskReport], is_ours: Callable[[Delivery], bool]) -> None:
    """`look_back` for all tasks that have been told something and have not ended; from any thread."""
    places = Places()
    for task, row in tuple(alive.items()):
        if row.stood and not task.done():  # a loop that was left by an error has not called its callback yet
            look_back(row, task, places, is_ours)


def was_looked_at(tasks: Iterable[AnyTask], is_ours: Callable[[Delivery], bool]) -> bool:
    """Whether any of these tasks has asked for the signal that it was sent, or had a callback for it."""
    inboxes = [inbox for task in tuple(tasks) if (inbox := getattr(task, "_inbox", None)) is not None]
    return any(one.was_seen and is_ours(one) for inbox in inboxes for one in inbox.history)


def _keeper(one: Delivery, task: Task[Any]) -> str | None:
    """The file of the code in this task that has the signal in a variable, and so may still raise it."""
    if one.thrown is None and not _is_in_a_lock(one.caught_at):
        return None
    signal = None if one.thrown is None else one.thrown()
    for coro in chain(task.get_coro()):
        code = getattr(coro, "cr_code", None) or getattr(coro, "gi_code", None) or getattr(coro, "ag_code", None)
        path = "" if code is None else str(code.co_filename)
        if signal is None and _is_in_a_lock(path) and _is_in_a_lock(one.caught_at):
            return path  # `Condition.wait()` makes a new one in its place before Python 3.13
        if signal is not None and any(thing is signal for thing in gc.get_referents(coro)):
            return path
    return None


def _is_in_a_lock(place: str | None) -> bool:
    return place is not None and place.startswith(asyncio.locks.__file__)


def _is_to_be_raised(one: Delivery, task: Task[Any], keeper: str | None) -> bool:
    """Whether a part of asyncio keeps the signal and raises it in the end: a TaskGroup, `Condition.wait()`."""
    scope = leaving.get(task)
    return (scope is not None and scope.has(one)) or (keeper or "").startswith(_ASYNCIO)


def _answered(one: Delivery) -> str:
    """Whether `catch`, `until` or `uncancel()` has taken the signal back. What a variable keeps may still be raised."""
    at = f" at {short(one.caught_at)}" if one.caught_at and is_the_users(one.caught_at) else ""
    return f"{_name(one)} was caught{at} and {'taken back' if one.taken_back else 'kept'}, and it went on"


def _swallowed(one: Delivery, row: TaskReport) -> str:
    """Where it was caught; if a cleanup or a scope raised it again, where it was caught first.

    For a line in the standard library, also which of the user's lines may have called it.
    """
    found = f"{_name(one)}{' at' if one.thrown is None else ', first caught at'} {short(one.caught_at or '')}"
    stood = row.stood.get(_name(one).lower())
    return found if stood is None or is_the_users(one.caught_at or "") else f"{found} (sent while it stood at {stood})"


def _name(one: Delivery) -> str:
    return one.given.__class__.__name__


def ending(task: AnyTask, *, retrieve: bool) -> str:
    """How it ended. Not to `retrieve` an error leaves it to asyncio to complain when nobody else does."""
    if task.cancelled():
        if not isinstance(task, Task) or (signal := task.ended_by) is None:
            return "cancelled"
        if (caused := task._mailbox().caused) is not None and signal is caused[1]:
            return f"cancelled by its parent: {signal.__class__.__name__} ({signal.reason})"
        return f"ended by {signal.__class__.__name__}"
    error = task.exception() if retrieve else error_left_in(task)
    return "returned" if error is None else f"raised {type(error).__name__}"


def since(seconds: float) -> str:
    """The time so many seconds ago, in UTC, in ISO 8601."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def report_of(tasks: Iterable[AnyTask], ladder: str, reason: str, seconds: float) -> Report:
    """A report of tasks that got no rung, and where they are."""
    rows, places = [], Places()
    for task in tasks:
        rows.append(new_row(task))
        rows[-1].stack = places.stack_of(task)
        rows[-1].note = f"at {place_of(task, places)}"
    return Report(ladder, reason, seconds, tuple(rows), (), began=since(seconds))
