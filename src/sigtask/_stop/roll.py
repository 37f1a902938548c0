"""The tasks that a ladder stops and that have not ended, each with its row in the report.

A `Roll` is the done callback of each task. `Stopping` decides what to do with a task. In C, a task of ours that is told
for the first time, and ends of it, never reaches `Stopping` (`_core/speed_roll.c`): most tasks of a large stop are so.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from contextvars import copy_context
from time import monotonic
from typing import Any

from .._core.family import descendants
from .._core.native import in_c, speed
from .._core.task import Task
from ..ladder import Rung
from ..report import TaskReport
from ..signals import KILL_LEVEL, Interrupt, Signal
from .places import frame_place, is_leaf, is_the_users
from .rows import new_row
from .sending import was_thrown_into

AnyTask = asyncio.Task[Any]


def clock_of(loop: AbstractEventLoop) -> Callable[[], float]:
    """The loop's clock, or what asyncio's own clock is made of, because it is read for each task that ends."""
    return monotonic if getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time else loop.time


@in_c("Roll")
class Roll:
    """Who has not ended: `alive`, by task. `rows` are those of all, in the order in which they came.

    `clock()` gives the loop's time. `slow(task)` notes the end of a task; `last()` is called when no target is left.
    """

    __slots__ = (
        "alive",
        "began",
        "clock",
        "context",
        "ended",
        "everything",
        "has_descendants",
        "last",
        "left",
        "name",
        "rows",
        "sent",
        "slow",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        slow: Callable[[AnyTask], object],
        last: Callable[[], object],
        *,
        everything: bool,
    ) -> None:
        self.alive: dict[AnyTask, TaskReport] = {}
        self.rows: list[TaskReport] = []
        self.left = 0
        """How many targets have not ended."""
        self.name: str | None = None
        """Of the rung."""
        self.began = 0.0
        self.sent = self.ended = 0
        """How many C has told in this rung, and how many it saw ended."""
        self.clock, self.slow, self.last = clock, slow, last
        self.everything, self.has_descendants = everything, False
        self.context = copy_context()
        """For its callbacks: one for all, where asyncio makes one for each."""

    def begin(self, name: str, began: float) -> None:
        """A rung begins."""
        self.name, self.began, self.sent, self.ended = name, began, 0, 0

    def track(self, tasks: Iterable[AnyTask]) -> None:
        """Track these tasks, too."""
        for task in tasks:
            self.take_in(task)

    def take_in(self, task: AnyTask, *, descendant: bool = False) -> None:
        """Track this task, too; with `everything`, a task that is done is left out."""
        if task in self.alive:
            return
        row = new_row(task, descendant=descendant)
        if task.done():
            if not self.everything:
                row.ended = "ended before"
                self.rows.append(row)
            return
        self.rows.append(row)
        self.alive[task] = row
        self.left += not descendant
        self.has_descendants |= descendant
        task.add_done_callback(self, context=self.context)

    def everyone(self) -> list[AnyTask]:
        """The tasks that have not ended, and all that they have spawned."""
        return [*self.alive, *(() if self.everything else descendants(self.alive))]

    def family(self, rung: Rung, sent: list[Signal], asker: object) -> list[AnyTask]:
        """The descendants this rung goes to: all for a Drain or a Kill, else those an earlier rung was thrown into."""
        everyone = not Interrupt.level <= rung.signal.level < KILL_LEVEL
        for child in descendants([task for task, row in self.alive.items() if not row.descendant]):
            is_new = child is not asker and child not in self.alive
            if is_new and (everyone or was_thrown_into(child, sent)):
                self.take_in(child, descendant=True)
        if not self.has_descendants:
            return []
        below = [task for task, row in self.alive.items() if row.descendant and isinstance(task, Task)]
        return [task for task in below if everyone or was_thrown_into(task, sent)]

    def tell(
        self,
        todo: list[AnyTask],
        signal: Signal,
        sender: object,
        stops: tuple[object, ...],
        until: float,
        slow: Callable[[AnyTask, TaskReport, BaseException | None], object],
        again: bool,
        /,
    ) -> None:
        """Tell those who stand last in the list, and take them out of it, until it is empty, or that time has come.

        `stops` is what each is to know to be at work on it. What is not simply the first word to a task is left to
        `slow`, which also hears of an error that telling has led to. `again`: some may have been told in another way.
        """
        while todo:
            if (row := self.alive.get(task := todo.pop())) is not None:
                slow(task, row, None)
            if self.clock() >= until:
                break

    def __call__(self, task: AnyTask) -> None:
        """It has ended."""
        if self.name is None:
            self.alive.pop(task, None)
        elif task in self.alive:
            self.slow(task)


if speed is not None:
    speed.bind_roll(TaskReport, frame_place, is_the_users, is_leaf)
