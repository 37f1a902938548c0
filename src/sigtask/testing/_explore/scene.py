"""One run, seen from its probes: which tasks there are, where each is suspended, and the signal that is sent there."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..._core.delivery import Fate
from ..._core.handling import is_handling
from ..._core.task import Task
from ...signals import Signal
from .left import nothing
from .plan import Plan, Strike
from .probe import NEVER, Probe
from .sites import Place, Sight, Sights, Site, brief

MOST = 10_000
"""How many suspensions of one run are noted."""
ON_ITS_WAY = 3
"""Turns after which a signal that has not been thrown in is still on its way: the task awaits what takes its time."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """The `number`-th suspension of the `task`-th task."""

    task: int
    number: int
    sight: Sight
    waits: bool
    """Whether for something, and not just a turn of the loop."""

    @property
    def site(self) -> Site:
        """The await."""
        return self.sight.site

    @property
    def place(self) -> Place:
        """Its line."""
        return self.sight.place

    @property
    def own(self) -> Place | None:
        """The line of one's own that led there, where that is another."""
        return self.sight.own


@dataclass(slots=True)
class Seen:
    """One task of a run."""

    number: int
    coroutine: str
    cleanups: list[Suspension] = field(default_factory=list)
    """Where it was suspended after the first signal or cancellation had been thrown into it."""
    struck_at: int = -1
    thrown: weakref.ref[CancelledError] | None = None
    went_on: Place | None = None
    """Where it was first suspended when it no longer handled what had been thrown into it."""


class Scene:
    """One run. `spawn` makes the probes; `plan` says what is sent, and `expected` where that should be."""

    __slots__ = (
        "__weakref__", "_all", "_sights", "differs", "enough", "expected", "is_open", "lines", "lingers", "loop",
        "most", "pairs", "plan", "struck", "struck_second", "suspensions", "tasks",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, plan: Plan | None, expected: Site | None, sights: Sights
    ) -> None:
        self.loop = loop
        self.plan = plan
        self.expected = expected
        self.tasks: list[Seen] = []
        self.suspensions: list[Suspension] = []
        self.lines: dict[str, int] = {}
        self._sights = sights
        self.is_open = True
        self.most = MOST
        self.struck: Suspension | None = None  # where the signal was sent
        self.struck_second: Suspension | None = None
        self.lingers = False  # the signal is still on its way to the task
        self.differs = False  # the suspension was another than the one expected there
        self.pairs = False  # whether it is asked if the signal lingers
        self.enough: Callable[[], object] = nothing  # called when `most` suspensions have been seen
        self._all = plan is None or plan.line is not None  # whether every suspension is looked at

    def spawn(self, coro: Any) -> Any:
        """A probe for a coroutine that the operation, or a task of it, makes a task of; else the coroutine itself."""
        parent = asyncio.current_task(self.loop)
        driven = None if parent is None else parent.get_coro()
        if self.is_open and type(driven) is Probe and driven.watcher is self:
            return self.probe(coro)
        return coro

    def probe(self, coro: Any) -> Probe:
        """A probe for the operation, or for what it has spawned."""
        number = len(self.tasks)
        at = 0 if self._all else NEVER
        if self.plan is not None and self.plan.line is None and self.plan.task == number:
            at = self.plan.point
        self.tasks.append(Seen(number, brief(getattr(coro, "__qualname__", type(coro).__name__))))
        return Probe(coro, number, self, at)

    # -- what the probes tell ---------------------------------------------------------------------------------------

    def suspended(self, probe: Probe, awaited: Any) -> None:
        """A task is suspended: note it, and send what is to be sent here."""
        if not self.is_open:
            probe.at = NEVER
            return
        seen = self.tasks[probe.number]
        here = Suspension(probe.number, probe.count, self._sights.of(probe.coro), awaited is not None)
        if self._all:
            self._count(here)
        if seen.struck_at >= 0:
            self._after(probe, seen, here)
        if (plan := self.plan) is None:
            if len(self.suspensions) == self.most:
                self.enough()
            return
        if self.struck is None and self._is_due(plan, probe, here):
            self.struck = here
            probe.at = 0  # from now on, all
            if plan.late:
                self._send_late(plan.signal, awaited)
                return
            self._send(plan.signal)
            if self.pairs:
                self.loop.call_soon(self._linger, seen, here, weakref.ref(_current(self.loop)), ON_ITS_WAY)

    def _count(self, here: Suspension) -> None:
        line = here.place.short
        self.lines[line] = self.lines.get(line, 0) + 1
        if self.plan is None and len(self.suspensions) < self.most:
            self.suspensions.append(here)

    def _is_due(self, plan: Plan, probe: Probe, here: Suspension) -> bool:
        if plan.line is not None:
            return plan.line[0] == here.place.short and self.lines[plan.line[0]] == plan.line[1]
        if probe.number != plan.task or probe.count != plan.point:
            return False
        self.differs = self.expected is not None and self.expected != here.site
        return not self.differs

    def _after(self, probe: Probe, seen: Seen, here: Suspension) -> None:
        """It is suspended after something was thrown into it: in its cleanup, or somewhere else."""
        nth = probe.count - seen.struck_at
        seen.cleanups.append(here)
        error = None if seen.thrown is None else seen.thrown()
        if seen.went_on is None and (error is None or not is_handling(probe.coro, error)):
            seen.went_on = here.place
        del error
        second = None if self.plan is None else self.plan.second
        if second is not None and self.struck_second is None and (second.task, second.nth) == (probe.number, nth):
            self.struck_second = here
            self._send(second.signal)

    def thrown(self, probe: Probe, error: CancelledError) -> None:
        """A signal or a cancellation is thrown in: what comes after it is cleanup."""
        seen = self.tasks[probe.number]
        if self.is_open and self.struck is not None and seen.struck_at < 0:
            seen.struck_at, seen.thrown = probe.count, weakref.ref(error)
            probe.at = 0
        del error

    def _send(self, strike: Strike) -> None:
        self.loop.call_soon(send, weakref.ref(_current(self.loop)), strike)

    def _send_late(self, strike: Strike, awaited: Any) -> None:
        """Send it when what is awaited is done: before the task wakes up, whose callback comes after this one."""
        ref = weakref.ref(_current(self.loop))

        def ends(_: object) -> None:
            send(ref, strike)

        awaited.add_done_callback(ends)

    def _linger(self, seen: Seen, here: Suspension, ref: weakref.ref[Any], turns: int) -> None:
        """Whether the signal is still on its way some turns later: then a second one may overtake it."""
        task = ref()
        if not self.is_open or seen.struck_at >= 0 or task is None or task.done():
            return
        if turns:
            self.loop.call_soon(self._linger, seen, here, ref, turns - 1)
            return
        self.lingers = True
        second = None if self.plan is None else self.plan.second
        if second is not None and second.nth == 0:
            self.struck_second = here
            send(ref, second.signal)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    @property
    def target(self) -> Seen | None:
        """The task that the signal was sent to."""
        return None if self.struck is None else self.tasks[self.struck.task]


def send(ref: weakref.ref[Any], strike: Strike) -> None:
    """Send a signal, or the plain `cancel()` that `CancelledError` stands for, to a task that is there."""
    task = ref()
    if task is None:
        return
    if isinstance(strike, Signal) or issubclass(strike, Signal):
        if isinstance(task, Task):
            task.send_signal(strike)
    else:
        task.cancel()


def _current(loop: asyncio.AbstractEventLoop) -> Any:
    task = asyncio.current_task(loop)
    assert task is not None
    return task


def without_a_fate(task: Any) -> list[str]:
    """The signals that were put in flight in a task, and that it has ended without."""
    if not isinstance(task, Task) or not task.done():
        return []
    return [f"{one.signal!r} has no fate" for one in task.history if one.fate is Fate.IN_FLIGHT]
