"""Merge what the workers report into one `Report`, as a local `stop` returns it."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import fields
from itertools import starmap
from operator import attrgetter
from typing import Any

from .._stop.rows import since
from ..ladder import Ladder
from ..report import Report, RungReport, TaskReport, ThreadReport
from ._wire import Message

_NAMES = tuple(field.name for field in fields(TaskReport))
_values = attrgetter(*_NAMES)


def packed(tasks: Iterable[TaskReport], where: str) -> bytes:
    """The rows of a worker, with a note where they are from, ready to send. The scheduler does not unpack them.

    As dicts in Dask's messages, they would cost each process on the way some microseconds for each dict.
    """
    for task in tasks:
        task.note = f"{where}; {task.note}" if task.note else where
    return pickle.dumps([_values(task) for task in tasks])


def unpacked(data: bytes) -> list[Message]:
    """The rows, as dicts."""
    return [dict(zip(_NAMES, values, strict=True)) for values in pickle.loads(data)]


def answered(keys: list[str], ladder: Ladder, reason: object, seconds: float, answer: Message) -> Report:
    """The workers' reports as one: its tasks in the order of `keys`, what they spawned after them."""
    order = {key: index for index, key in enumerate(keys)}
    tasks = [TaskReport(**row) for row in answer["tasks"]]
    for data in answer["packed"]:
        tasks += starmap(TaskReport, pickle.loads(data))
    tasks.sort(key=lambda task: len(order) if task.descendant else order.get(task.name, len(order)))
    threads = tuple(ThreadReport(**thread) for thread in answer["threads"])
    rungs, began = _rungs(answer["rungs"], ladder), since(seconds)
    return Report(str(ladder), _text(reason), round(seconds, 3), tuple(tasks), rungs, threads, began=began)


def unanswered(keys: list[str], ladder: Ladder, reason: object, seconds: float, error: BaseException) -> Report:
    """The report when the scheduler has not answered."""
    why = f"{type(error).__name__}: {error}".rstrip(": ")
    note = f"the scheduler did not answer within {seconds:.1f} s ({why}): not confirmed dead"
    tasks = tuple(TaskReport(key, note=note) for key in keys)
    return Report(str(ladder), _text(reason), round(seconds, 3), tasks, (), note=note, began=since(seconds))


def _rungs(reports: list[list[Message]], ladder: Ladder) -> tuple[RungReport, ...]:
    """Each rung over all workers: the longest of its seconds, and the sums; skipped where all have skipped it."""
    found: dict[str, RungReport] = {}
    for report in reports:
        for one in report:
            rung: Any = found.setdefault(one["name"], RungReport(one["name"], skipped=True, unasked=True))
            rung.seconds = max(rung.seconds, one["seconds"])
            rung.sent += one["sent"]
            rung.ended += one["ended"]
            rung.skipped = rung.skipped and one["skipped"]
            rung.unasked = rung.unasked and (one["skipped"] or one["unasked"])
    for rung in found.values():
        rung.unasked = rung.unasked and not rung.skipped
    return tuple(found[rung.name] for rung in ladder.rungs if rung.name in found)


def _text(reason: object) -> str | None:
    return None if reason is None else str(reason) or repr(reason)
