"""The fields of log records, spans and metrics: for a signal, a rung, a task, a stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._core.delivery import Delivery
    from ..report import Report, RungReport, TaskReport

EVENT = "sigtask.event"
"""In a log record: `signal`, `rung`, `stop` or `forced`."""

Fields = dict[str, Any]


def about_signal(delivery: Delivery) -> Fields | None:
    """The fields of a signal to a task; `None` for one to a function in a thread, because its task has got it, too."""
    task = None if delivery.host is None else delivery.host()
    if not isinstance(task, asyncio.Task):
        return None
    given = delivery.given  # not `signal`: to look at that is to have seen it
    reason, sender = given.reason, delivery.sender if given.sender is None else given.sender
    return {
        "sigtask.signal.class": type(given).__name__,
        "sigtask.signal.level": given.level,
        **({} if reason is None else {"sigtask.signal.reason": _text(reason)}),
        **({} if sender is None else {"sigtask.signal.sender": _text(sender)}),
        "sigtask.task.name": task.get_name(),
        "sigtask.task.coroutine": getattr(task.get_coro(), "__qualname__", ""),
    }


def about_stop(report: Report) -> Fields:
    """The fields of a stop."""
    return {
        "sigtask.stop.ladder": report.ladder,
        **({} if report.reason is None else {"sigtask.stop.reason": report.reason}),
        "sigtask.stop.seconds": report.seconds,
        "sigtask.stop.tasks": len(report.tasks),
        "sigtask.stop.resisted": len(report.resisted),
        "sigtask.stop.survivors": len(report.survivors),
    }


def about_rung(rung: RungReport) -> Fields:
    """The fields of a rung."""
    return {
        "sigtask.rung.name": rung.name,
        "sigtask.rung.seconds": rung.seconds,
        "sigtask.rung.sent": rung.sent,
        "sigtask.rung.ended": rung.ended,
        "sigtask.rung.skipped": rung.skipped,
    }


def about_task(task: TaskReport) -> Fields:
    """The fields of a task that was stopped."""
    return {
        "sigtask.task.name": task.name,
        "sigtask.task.coroutine": task.coroutine,
        "sigtask.task.ended": task.ended,
        "sigtask.task.stack": [*task.stack],
        "sigtask.task.swallowed": [*task.swallowed],
    }


def _text(thing: object) -> str:
    """The object as text, even if its `__str__` fails."""
    try:
        return str(thing)
    except Exception:
        return object.__repr__(thing)
