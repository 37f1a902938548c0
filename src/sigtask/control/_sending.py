"""Sending one signal to many tasks, in slices of the loop's time."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any

from .._core.flight import cancel_stock
from .._core.task import Task
from ..signals import Signal, Terminate
from ._book import SLICE, Book
from ._rows import AnyTask
from ._text import clipped


class Sending:
    """One signal on its way to some tasks of a loop."""

    def __init__(self, book: Book, tasks: list[AnyTask], signal: Signal) -> None:
        self._book = book
        self._tasks = deque(tasks)
        self._signal = signal

    @property
    def is_over(self) -> bool:
        """Whether all have been told."""
        return not self._tasks

    def step(self) -> list[dict[str, Any]]:
        """Tell some, in their loop: what became of the signal in each."""
        until = perf_counter() + SLICE
        told: list[dict[str, Any]] = []
        while self._tasks and perf_counter() < until:
            task = self._tasks.popleft()
            name, number = clipped(task.get_name()), self._book.number_of(task)
            told.append({"id": number, "name": name, "fate": _send(task, self._signal)})
        return told


def _send(task: AnyTask, signal: Signal) -> str:
    if isinstance(task, Task):
        task.send_signal(signal)
        return task.history[-1].fate.value
    if task.done():
        return "refused"
    if signal.level < Terminate.level:
        return "not sent"
    cancel_stock(task, signal)
    return "cancelled"
