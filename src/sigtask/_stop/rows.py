"""What a report's row says of a task: where it stands, what kept it, and how it ended (R28)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .._core.delivery import Delivery
from .._core.flight import error_left_in
from .._core.inbox import Inbox
from .._core.task import Task
from ..report import TaskReport
from .places import Places, swallow_places, task_place

AnyTask = asyncio.Task[Any]


def place_of(task: AnyTask, places: Places) -> str:
    """Where a task stands, and what it waits for outside its loop."""
    inbox: Inbox | None = getattr(task, "_inbox", None)
    if inbox is None or not inbox.outside:
        return places.of(task)
    return task_place(task, *(place for one in inbox.outside if (place := one.place()) is not None))


def settle(row: TaskReport, task: AnyTask, inbox: Inbox) -> None:
    """Note what is to be known of the task by now."""
    row.swallowed = swallow_places(task)
    row.refused = sum(delivery.refused for delivery in inbox.history)
    row.abandoned = inbox.abandoned
    if inbox.outside:
        row.note = "; ".join(note for one in inbox.outside if (note := one.note())) or row.note
    if row.abandoned:
        row.ended = "abandoned"


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


def held_back(inbox: Inbox, is_ours: Callable[[Delivery], bool]) -> str | None:
    """What kept the rungs before from a task that has to be killed: a mask (R14)."""
    held = [one for one in inbox.pending if one.level <= inbox.mask_level and is_ours(one)]
    if not held:
        return None
    name = type(max(held, key=lambda one: one.level).given).__name__
    if inbox.missed:
        return f"{name} was held by masks without an await between them: put an `await asyncio.sleep(0)` there"
    return f"{name} was held by a mask"
