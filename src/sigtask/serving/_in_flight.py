"""The handlers that are at work on a request, and how to stop them together.

    announce()   send everybody a Drain begin()      start the ladder: the Drain's grace, then Terminate, then Kill
    ended()      wait for its end, so that what the handlers use can be closed

Under `sigtask run` the program's own ladder does all this. Unless a ladder was given here, too, `begin()` then only
waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from .._core.factory import create_task
from .._core.family import descendants
from .._core.task import Task
from .._stop.stop import stop
from .._stop.time import at_work_on
from ..ladder import DEFAULT, Ladder
from ..signals import Interrupt, Signal, Terminate
from ._reasons import ServerStopping


class InFlight:
    """The handlers of one server, in one loop.

    Raises: `TypeError` for something that is not a ladder.
    """

    def __init__(self, ladder: Ladder | None = None) -> None:
        if ladder is not None and not isinstance(ladder, Ladder):
            raise TypeError(
                f"ladder is {ladder!r}; give a sigtask.Ladder, or Ladder.parse('drain=10s,terminate=5s,kill')"
            )
        self.stopping: ServerStopping | None = None
        """Why the server stops; `None` as long as it does not."""
        self._given = ladder
        self._ladder = DEFAULT if ladder is None else ladder
        self._tasks: dict[Task[Any], None] = {}
        self._look = asyncio.Event()  # all have ended, or somebody is in a hurry
        self._in_a_hurry = False
        self._climbing: Task[None] | None = None
        self._ends: dict[tuple[Task[Any], type], Task[Any]] = {}

    @property
    def patience(self) -> float:
        """Seconds that the whole ladder may take, and some more for the last turns."""
        return self._ladder.total + self._ladder.limit + 0.5

    def add(self, task: Task[Any]) -> None:
        """This task handles a request. If the ladder has begun, it gets a Drain, and the ladder is for it, too."""
        self._tasks[task] = None
        if self._climbing is not None:
            task.drain(self.stopping)
            self._start_climbing()

    def discard(self, task: Task[Any]) -> None:
        """It has ended."""
        self._tasks.pop(task, None)
        if not self._tasks:
            self._look.set()

    def announce(self, why: str) -> None:
        """The server is about to stop: send every handler, and all it has spawned, a Drain."""
        if self.stopping is None:
            self.stopping = ServerStopping(why)
        tell_family(self._tasks, lambda task: task.drain(self.stopping))

    def begin(self, why: str) -> None:
        """Start the ladder. A second call, as for a second Ctrl-C, skips the rest of the Drain's grace."""
        self.announce(why)
        if not self._start_climbing():
            self._in_a_hurry = True
            self._look.set()

    def _start_climbing(self) -> bool:
        if self._climbing is not None and not self._climbing.done():
            return False
        self._in_a_hurry = False
        self._climbing = create_task(self._climb(), name="sigtask: stop requests")
        return True

    async def ended(self, why: str) -> None:
        """Stop what is left, by the ladder, and return when it has ended. Cancelled, the ladder goes on by itself."""
        if self._tasks and (self._climbing is None or self._climbing.done()):
            self.begin(why)
        if self._climbing is not None:
            await asyncio.wait([self._climbing])

    def end(self, task: Task[Any], reason: object) -> None:
        """Stop one handler, beginning with Terminate, while the others go on. Once for each kind of reason."""
        which = task, type(reason)
        if which in self._ends:  # anyio's scopes cancel in each turn of the loop
            return
        self._ends[which] = stopping = create_task(
            stop(task, ladder=self._rungs_from(Terminate), reason=reason), name="sigtask: stop one"
        )
        stopping.add_done_callback(lambda _: self._ends.pop(which))

    async def _climb(self) -> None:
        later = (
            self._ladder.from_level(Interrupt.level) if self._ladder.rungs[-1].signal.level >= Interrupt.level else None
        )
        grace = self._ladder.total - (later.total if later is not None else 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._tasks and not self._in_a_hurry:
                    self._look.clear()
                    await self._look.wait()
        if self._given is None and any(at_work_on(task) for task in self._tasks):
            while self._tasks:  # the program has a ladder of its own
                await asyncio.wait(list(self._tasks))
        while self._tasks and later is not None:
            await stop(*self._tasks, ladder=later, reason=self.stopping)

    def _rungs_from(self, cls: type[Signal]) -> Ladder:
        of = self._ladder if self._ladder.rungs[-1].signal.level >= cls.level else DEFAULT
        return of.from_level(cls.level)


def tell_family(tasks: Iterable[Any], tell: Callable[[Task[Any]], object]) -> None:
    """Call `tell(task)` for these tasks and for all that they have spawned, where they are ours."""
    for task in [*tasks, *descendants(tasks)]:
        if isinstance(task, Task):
            tell(task)
