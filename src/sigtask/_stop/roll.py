"""Those that a ladder is put to and that have not ended, each with its row in the report.

It is the done callback of each. What is to be done with a task is said by `Stopping`; in C, a task of ours that is told
for the first time, and that ends of what it was told, does not come to `Stopping` at all (`_core/speed_roll.c`): of a
hundred thousand of these a large stop is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .._core.native import in_c, speed
from ..report import TaskReport
from ..signals import Signal
from .places import frame_place, is_leaf, is_the_users

AnyTask = asyncio.Task[Any]


@in_c("Roll")
class Roll:
    """Who has not ended: `alive`, by task. `rows` are those of all, in the order in which they came.

    `clock()` gives the loop's time. `slow(task)` notes the end of a task; `last()` is called when no target is left.
    """

    __slots__ = ("alive", "began", "clock", "ended", "last", "left", "name", "rows", "sent", "slow")

    def __init__(
        self, clock: Callable[[], float], slow: Callable[[AnyTask], object], last: Callable[[], object]
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

    def begin(self, name: str, began: float) -> None:
        """A rung begins."""
        self.name, self.began, self.sent, self.ended = name, began, 0, 0

    def track(self, tasks: Iterable[AnyTask], slow: Callable[[AnyTask], object]) -> None:
        """These are to end, too; `slow` takes in what is not simply a task that is not done."""
        for task in tasks:
            if task not in self.alive:
                slow(task)

    def tell(
        self,
        todo: list[AnyTask],
        signal: Signal,
        sender: object,
        stops: tuple[object, ...] | None,
        until: float,
        slow: Callable[[AnyTask, TaskReport | None, BaseException | None], object],
    ) -> None:
        """Tell those who stand last in the list, and take them out of it, until it is empty, or that time has come.

        `stops` is what each is to know to be at work on it; `None` has each told by `slow`, and so is what is not the
        first word to a task. `slow` is also told of an error that telling has led to.
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
