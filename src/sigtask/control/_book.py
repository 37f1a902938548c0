"""The tasks of one loop, as others see them: each has a number, and a row that is rebuilt when the task has moved.

Numbers are given in the order in which tasks are made, like pids. To know when a task was made, the loop's
`create_task` is wrapped by one that records it, which takes less than half a microsecond.
"""

from __future__ import annotations

import asyncio
import json
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from itertools import chain, islice
from time import monotonic, perf_counter
from typing import Any
from weakref import ref

from .._stop.places import Places, thread_place, thread_stack
from ._rows import STILL, AnyTask, row_of

SLICE = 0.005
"""Seconds of one turn of the loop that a look may take."""
BUDGET = 0.0015
"""Seconds for which a client that asks again and again has rows made anew, at each look."""
MANY = 20_000
"""From so many tasks on asyncio is not asked for all that there are: it would hold the loop too long."""
_STEP = 64
_Birth = tuple[int, float | None]
"""The number of a task, and when it was made."""
_Seen = tuple[int, str, Callable[[], object]]
"""Its number, its row as JSON, and the future that it waited for then; weakly, as addresses come again."""


class Book:
    """One loop and its tasks. Make it before the loop runs, or in it."""

    def __init__(self, loop: AbstractEventLoop, number: int, numbers: Iterator[int]) -> None:
        self.loop = ref(loop)
        self.number = number
        self._numbers = numbers
        self._tasks: dict[ref[AnyTask], _Birth] = {}
        self._seen: dict[ref[AnyTask], _Seen] = {}
        self._left_off = 0
        self._thread: int | None = None
        if loop.is_running():
            self._note_thread()
            self.find_strangers()
        else:
            loop.call_soon(self._note_thread)
        self._undo = self._note_births(loop)

    def _note_thread(self) -> None:
        self._thread = threading.get_ident()

    def _note_births(self, loop: Any) -> Callable[[], None]:
        make, numbers, tasks = loop.create_task, self._numbers, self._tasks
        forget = tasks.pop

        def create_task(*args: Any, **kwargs: Any) -> Any:
            task = make(*args, **kwargs)
            tasks[ref(task, forget)] = (next(numbers), monotonic())
            return task

        def undo() -> None:
            if (found := loop_ref()) is not None and vars(found).get("create_task") is create_task:
                del found.create_task

        loop_ref = ref(loop)
        loop.create_task = create_task
        return undo

    def close(self) -> None:
        """Stop recording new tasks."""
        self._undo()

    # -- who there is -------------------------------------------------------------------------------------------------

    def find_strangers(self) -> None:
        """Record tasks that were made in another way, or before."""
        loop = self.loop()
        if loop is None or len(self._tasks) > MANY:
            return
        for task in asyncio.all_tasks(loop):
            if ref(task) not in self._tasks:
                self._tasks[ref(task, self._tasks.pop)] = (next(self._numbers), None)

    def living(self) -> Iterator[tuple[int, AnyTask]]:
        """The tasks that are not done, with their numbers."""
        for one in list(self._tasks):  # and no pairs: see `_finding`
            birth, task = self._tasks.get(one), one()
            if birth is not None and task is not None and not task.done():
                yield birth[0], task

    def number_of(self, task: Any) -> int | None:
        """The number of a living task; `None` for any other."""
        known = None if task is None or task.done() else self._tasks.get(ref(task))
        return None if known is None else known[0]

    def numbered(self, numbers: frozenset[int]) -> list[ref[AnyTask]]:
        """The tasks with these numbers."""
        found = ((one, self._tasks.get(one)) for one in list(self._tasks))
        return [one for one, birth in found if birth is not None and birth[0] in numbers]

    def __len__(self) -> int:
        return len(self._tasks)

    def keep(self, one: ref[AnyTask], seen: _Seen) -> None:
        """Keep this row for the next look; drop rows of tasks that are gone when there are as many."""
        self._seen[one] = seen
        if len(self._seen) > 2 * len(self._tasks) + 1000:
            for gone in [one for one in list(self._seen) if one not in self._tasks]:
                self._seen.pop(gone, None)

    def forget_rows(self) -> None:
        """No client is looking any more: drop the rows."""
        self._seen = {}

    # -- where the loop is --------------------------------------------------------------------------------------------

    def place(self) -> str:
        """Where the loop's thread is. Any thread may ask."""
        return thread_place(self._ident)

    def stack(self) -> str:
        """The stack of the loop's thread."""
        return thread_stack(self._ident)

    @property
    def thread(self) -> str:
        """The name of the loop's thread."""
        known = {thread.ident: thread.name for thread in threading.enumerate()}
        return known.get(self._ident, "a thread that is gone")

    @property
    def _ident(self) -> int:
        return self._thread or threading.main_thread().ident or 0


class Look:
    """One look at all tasks of a loop, in slices of `SLICE` seconds; each slice returns rows as JSON."""

    def __init__(self, book: Book, *, fresh: bool, stacks: bool, only: frozenset[int] | None = None) -> None:
        self._book = book
        self._fresh = fresh
        self._stacks = stacks
        self._only = None if only is None else book.numbered(only)  # here, and not in the loop
        self._places = Places()
        self._todo: Iterator[ref[AnyTask]] | None = None
        self._at = 0
        self._spent = 0.0
        self.budget = BUDGET
        self._current: AnyTask | None = None
        self.stale = 0
        """Rows of tasks that have moved, and that would have taken too long to make anew."""

    def step(self) -> list[str] | None:
        """The next rows; `None` when there are no more. In the loop, or in another thread while that is blocked."""
        until = perf_counter() + SLICE
        if self._todo is None:
            self._todo = self._begin()
        rows: list[str] = []
        while perf_counter() < until:
            part = list(islice(self._todo, _STEP))
            if not part:
                return rows or None
            self._look_at(part, rows)
            self._at += len(part)
        return rows

    def _begin(self) -> Iterator[ref[AnyTask]]:
        """The tasks of the loop, starting where the last look stopped."""
        book = self._book
        if self._fresh:
            book.find_strangers()
        loop = book.loop()
        self._current = None if loop is None else asyncio.current_task(loop)
        if self._only is not None:
            return iter(self._only)
        refs = list(book._tasks)  # and no pairs: so many new objects would have the garbage collector look at all
        if self._fresh or book._left_off >= len(refs):
            book._left_off = 0
        self._at, book._left_off = book._left_off, 0
        return chain(islice(refs, self._at, None), islice(refs, self._at))

    def _look_at(self, part: list[ref[AnyTask]], rows: list[str]) -> None:
        seen: dict[ref[AnyTask], _Seen] = {} if self._fresh or self._stacks else self._book._seen
        for one in part:
            if (task := one()) is None:
                continue
            known = seen.get(one)
            if known is not None:
                _, row, waited_for = known
                waits_for = getattr(task, "_fut_waiter", None)
                if waits_for is not None and waited_for() is waits_for and type(task) in STILL:
                    rows.append(row)
                    continue
                if self._spent > self.budget and not task.done():
                    self.stale += 1
                    self._book._left_off = self._book._left_off or self._at
                    rows.append(row)
                    continue
            birth = self._book._tasks.get(one)
            if birth is not None and not task.done():
                rows.append(self._anew(one, task, *birth))

    def _anew(self, one: ref[AnyTask], task: AnyTask, number: int, born: float | None) -> str:
        began = perf_counter()
        waiter = getattr(task, "_fut_waiter", None)
        text = self._row(task, number, born)
        if not self._stacks:
            self._book.keep(one, (number, text, _nothing if waiter is None else _reference(waiter)))
        self._spent += perf_counter() - began
        return text

    def _row(self, task: AnyTask, number: int, born: float | None) -> str:
        book = self._book
        runs_in = book._ident if task is self._current else None
        try:
            found = row_of(task, number, born, book.number_of, self._places, runs_in=runs_in, stacks=self._stacks)
        except Exception as error:  # foreign code is asked for names and reasons; in another thread, all may change
            found = {"id": number, "name": "?", "error": f"{type(error).__name__} while it was looked at"}
        return json.dumps(found, separators=(",", ":"))


def _nothing() -> object:
    """What a row waited for that is to be made anew next time: no task waits for this."""
    return _nothing


def _reference(future: Any) -> Callable[[], object]:
    try:
        return ref(future)
    except TypeError:  # one that is not asyncio's
        return _nothing
