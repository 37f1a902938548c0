"""In which order a rung reaches the tasks of a whole program: main first (R29)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..ladder import Rung
from ..signals import KILL_LEVEL, Interrupt

AnyTask = asyncio.Task[Any]


class Turn(NamedTuple):
    """The tasks that are signalled together. The next turn comes at half of the time that is left."""

    tasks: frozenset[AnyTask] | None
    """`None`: all there are. Who has been told already is not told again."""
    outside: bool = False
    """Whether the code around the loop is told, too."""


EVERYBODY = Turn(None)


def told_already() -> None:
    """There is code around the loop, and it has been told in another way."""


class Order(NamedTuple):
    """Which tasks of a program get a rung when, so that a `finally` can use the tasks that the program has started."""

    main: AnyTask | None = None
    """The task that the loop was started for."""
    outside: Callable[[], object] | None = None
    """Tells the code around the loop, where it waits for no task in particular."""
    heard: bool = False
    """The program has a handler of its own for the OS signal, and is at its own orderly end."""
    main_first: bool = True

    def turns(self, rung: Rung, tasks: Iterable[AnyTask]) -> list[Turn]:
        """The turns of that rung, the last of which is everybody's.

        A Drain is thrown at nobody, and a Kill waits for nobody. At an orderly end those are told first whom nobody has
        started, a server's requests: these are what it waits for. Who is not there yet, when the rung begins, is a part
        of the cleanup: as long as somebody waits, it is not told.
        """
        if rung.signal.level < Interrupt.level:
            return [EVERYBODY]
        everybody = Turn(None, outside=True)
        if rung.signal.level >= KILL_LEVEL or not self.main_first:
            return [everybody]
        there = frozenset(tasks)
        if self.heard:
            requests = (task for task in there if task is not self.main and getattr(task, "_parent", None) is None)
            return [Turn(frozenset(requests)), Turn(there, outside=True)]
        first = [] if self.outside is None else [Turn(frozenset(), outside=True)]
        first += [] if self.main is None else [Turn(frozenset((self.main,)))]
        return [*first, Turn(there) if first else EVERYBODY]


class Turns:
    """Whose turn comes next. It is true while a turn is left."""

    def __init__(self) -> None:
        self.number = 0
        """The number of the turn it is, from 1 on."""
        self._due: deque[Turn] = deque()
        self._nobody_waits = False

    def __bool__(self) -> bool:
        return bool(self._due)

    def begin(self, turns: list[Turn]) -> None:
        """These are the turns of a rung that begins."""
        self._due, self.number = deque(turns), 0
        if self._nobody_waits:
            self.let_nobody_wait()

    def next(self) -> Turn:
        """Go to the next turn."""
        self.number += 1
        return self._due.popleft()

    def let_nobody_wait(self) -> None:
        """Signal everybody in the next turn, in this rung and in those to come."""
        self._nobody_waits = True
        if self._due:
            self._due = deque((self._due[-1]._replace(tasks=None),))

    def once_more(self) -> None:
        """Everybody's turn comes again, for those who have come since."""
        self._due.append(EVERYBODY)
