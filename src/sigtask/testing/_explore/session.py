"""Explores one operation. Read this first.

    two plain runs          what it does without a signal: where it is suspended, what it leaves behind
      └► one run for each   signal, task and suspension
           └► with pairs    one more for each second signal and each suspension of the cleanup that the first led to

What a plain run leaves behind is what the operation does: only what is found besides is a finding. What is found only
when the garbage collector looks is looked for after many runs; if there is anything, each of these is done once more,
and looked at by itself.

If the two plain runs are not suspended at the same places, there is a third. If only the first was different, it has
filled a cache, or left something. Else suspensions have no numbers that mean anything, and signals go by line.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ...report import counted
from ...signals import Signal
from .case import Case
from .exploration import Exploration, Failure, Point
from .held import Shared
from .lab import Ground
from .plan import Plan, Second, Strike, parse, stronger
from .run import Outcome, Run, key_of
from .scene import Suspension
from .sites import Place, Sights, awaits_in, own_code, spot_of
from .watching import Watch, told

BATCH = 0.1
"""Seconds of runs after which the garbage collector looks."""


class Session:
    """One exploration: what is to be run, and what was found so far. It may move from loop to loop."""

    def __init__(self, case: Case, *, first: Iterable[str] = (), only: str | None = None) -> None:
        self.case = case
        self.only = None if only is None else parse(only, case.signals)
        self.first = [parse(token, case.signals) for token in ([first] if isinstance(first, str) else first)]
        self.queue: deque[Plan] = deque()
        self.begun = False
        self.by_line = False
        self.reuse = case.reuse
        self.excused: frozenset[str] = frozenset()
        self.suspensions: list[Suspension] = []
        self.expected: dict[tuple[int, int], Suspension] = {}
        self.runs = 0
        self.left_out = 0
        self.failures: list[Failure] = []
        self.results: list[tuple[str, int, int, bool]] = []
        self.notes: list[str] = []
        self.sights = Sights()
        self.missed: list[str] = []
        self.ignored: set[str] = set()
        self.did_io = False
        self.progress: Callable[[Session], None] = lambda _: None

    async def go(self, ground: Ground) -> bool:
        """Do what can be done in this loop; `False` when another is needed, as something was left in it."""
        watch = Watch()
        with watch.at_work(ground.get_loop()):
            run = Run(self.case, ground, watch, self.sights)
            run.excused, run.reuse, run.ignored = self.excused, self.reuse, self.ignored
            if not self.begun:
                self.begun = True
                await self._begin(run)
            batch: list[Plan] = []
            until = time.perf_counter() + BATCH
            while self.queue:
                plan = self.queue.popleft()
                if not await self._try(run, plan):
                    continue
                batch.append(plan)
                is_dirty = bool(run.undead) or not ground.is_clean
                if is_dirty or time.perf_counter() > until:
                    await self._look_back(run, batch)
                    self.progress(self)
                    until = time.perf_counter() + BATCH
                if is_dirty and (run.undead or not ground.is_clean):
                    return not self.queue
            await self._look_back(run, batch)
        return True

    # -- without a signal ---------------------------------------------------------------------------------------------

    async def _begin(self, run: Run) -> None:
        run.shared = shared = Shared()
        one = await self._plain(run)
        reuse, run.reuse = run.reuse, False  # it has been seen whether it works once more
        two = await self._plain(run)
        run.shared, run.reuse = None, reuse
        if shared.state is not None:
            self.notes.append(
                f"setup() gave the same {shared.state} to two runs: each begins with what the one before "
                f"has left. Make a new one in setup()"
            )
        elif shared.changed:
            self.notes.append(
                f"each run begins with what the one before has left in {', '.join(shared.changed)}: if that matters, "
                f"make it anew in setup()"
            )
        await self._forget(run, shared)
        if _sites(one) != _sites(two):
            three = await self._plain(run)
            self._compare(one, two, three)
            two = three
        self.suspensions = two.scene.suspensions
        self.expected = {(one.task, one.number): one for one in self.suspensions}
        self.excused, self.reuse = run.excused, run.reuse
        if not self.suspensions:
            self.notes.append(f"{self.case.name}() is never suspended: there is no await at which a signal could come")
        elif not any(self.case.takes(one.task) for one in self.suspensions):
            numbers = ", ".join(f"{one}" for one in sorted({one.task for one in self.suspensions}))
            self.notes.append(f"none of the tasks that were asked for is ever suspended; those that are: {numbers}")
        self._schedule()

    async def _forget(self, run: Run, shared: Shared) -> None:
        """Let go of the first states; what the garbage collector says of them is no finding."""
        shared.forget()
        gc.collect()
        await asyncio.sleep(0)
        run.excused |= {key_of(one) for one in run.watch.take()}

    async def _plain(self, run: Run) -> Outcome:
        outcome = await run(None, collect=True)
        name = self.case.name
        if (error := outcome.error) is not None:
            what = "setup()" if outcome.detail == "setup" else f"{name}()"
            if isinstance(error, TypeError) and ("() gave " in str(error)):
                raise error
            raise RuntimeError(f"{what} fails without any signal: {told(error)}") from error
        if outcome.stuck is not None and self.case.ends:
            raise RuntimeError(
                f"{name}() does not end by itself: {outcome.stuck}. If it is not meant to, a server or a worker, "
                f"say explore(..., ends=False)"
            )
        if wrong := [one for one in outcome.found if one.startswith("check")]:
            raise AssertionError(f"{name}() fails without any signal: {wrong[0]}\n{outcome.detail}")
        if outcome.stuck is not None:
            self._note(f"it does not end by itself ({outcome.stuck}): signals were tried up to there")
        if outcome.again is not None:
            run.reuse = False
            self._note(f"even without a signal it works only once on the same state ({outcome.again}): reuse is off")
        left = [one for one in outcome.found if not one.startswith("not usable")]
        if left:
            self._note(f"found without a signal, too, and not counted: {'; '.join(left)}")
        run.excused |= {key_of(one) for one in left}
        return outcome

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _compare(self, one: Outcome, two: Outcome, three: Outcome) -> None:
        """Why the plain runs differ."""
        if _sites(two) == _sites(three):
            a, b = len(one.scene.suspensions), len(two.scene.suspensions)
            how = f"{a} times, each later one {b} times" if a != b else "at other places than each later one"
            self._note(
                f"the first run is suspended {how}: it fills a cache, or the runs share state that setup() should "
                f"make anew"
            )
            return
        self.by_line = True
        source = "real time" if self.case.real_time else "the order of a set, random numbers, or the time of day"
        if self.did_io:
            source = "real I/O, or threads"
        self._note(f"suspensions differ from run to run ({source}), so signals go by line, not by number")

    # -- what is to be run --------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self.only is not None:
            self.queue.append(self.only)
            return
        plans = dict.fromkeys(self.first)
        signals = self.case.signals
        if self.by_line:
            lines = Counter(one.place.short for one in self.suspensions if self.case.takes(one.task))
            where = [(line, nth) for line, count in lines.items() for nth in range(1, count + 1)]
            plans.update(dict.fromkeys(Plan(signal, line=at) for at in where for signal in signals))
        else:
            numbers = [(one.task, one.number) for one in self.suspensions if self.case.takes(one.task)]
            plans.update(dict.fromkeys(Plan(signal, *at) for at in numbers for signal in signals))
            if self.case.late:
                waits = [(one.task, one.number) for one in self.suspensions if one.waits and self.case.takes(one.task)]
                plans.update(dict.fromkeys(Plan(signal, *at, late=True) for at in waits for signal in signals))
        self._add(plans)

    def _add(self, plans: Iterable[Plan]) -> None:
        for plan in plans:
            if self.case.limit is not None and self.runs + len(self.queue) >= self.case.limit:
                self.left_out += 1
            else:
                self.queue.append(plan)

    def _pairs(self, plan: Plan, outcome: Outcome) -> Iterable[Plan]:
        """A second signal at each suspension of each cleanup that this one led to."""
        seconds = stronger(plan.signal, self.case.signals)
        struck = outcome.scene.struck
        if struck is not None and outcome.scene.lingers:
            yield from (replace(plan, second=Second(signal, struck.task, 0)) for signal in seconds)
        for task, seen in enumerate(outcome.scene.tasks):
            for nth, _ in enumerate(seen.cleanups, 1):
                yield from (replace(plan, second=Second(signal, task, nth)) for signal in seconds)

    # -- with a signal ------------------------------------------------------------------------------------------------

    async def _try(self, run: Run, plan: Plan, *, collect: bool = False) -> bool:
        """Do one run; whether its signal was sent."""
        known = self.expected.get((plan.task, plan.point)) if plan.line is None else None
        outcome = await run(plan, None if known is None or self.only else known.site, collect=collect)
        scene = outcome.scene
        for function in outcome.in_threads:
            self._note(
                f"{function} goes on in its thread when the operation has ended: asyncio cannot stop it, and does not "
                f"wait; sigtask.to_thread() does"
            )
        if scene.struck is None:
            self._miss(plan, known, outcome)
            return False
        if not collect:
            self.runs += 1
        if outcome.found:
            self._fail(plan, outcome)
        elif self.case.pairs and plan.second is None and not collect and self.only is None:
            self._add(self._pairs(plan, outcome))
        if plan.second is None and not plan.late and not collect:
            self.results.append((shown(plan.signal), scene.struck.task, scene.struck.number, not outcome.found))
        return True

    def _miss(self, plan: Plan, known: Suspension | None, outcome: Outcome) -> None:
        if known is not None and plan.second is None and not plan.late and outcome.error is None:
            self._note("suspensions differ from run to run: where a number led elsewhere, the signal went by line")
            upto = self.suspensions[: self.suspensions.index(known) + 1]
            nth = sum(one.place.short == known.place.short for one in upto)
            self.queue.append(replace(plan, task=0, point=0, line=(known.place.short, nth)))
            return
        why = "" if outcome.error is None else f" ({told(outcome.error)})"
        self.missed.append(f"{plan.token(self.case.signals)}{why}")

    def _fail(self, plan: Plan, outcome: Outcome) -> None:
        scene, struck = outcome.scene, outcome.scene.struck
        assert struck is not None
        second, at = plan.second, scene.struck_second
        failure = Failure(
            shown(plan.signal),
            f"t{struck.task} {scene.tasks[struck.task].coroutine}()",
            _where(struck),
            struck.place.source,
            tuple(outcome.found),
            plan.token(self.case.signals),
            None if second is None else shown(second.signal),
            None if at is None else _where(at),
            outcome.detail,
            (struck.task, struck.number),
            plan.late,
        )
        shown_by = {(one.found, one.second_where) for one in self.failures if one.second is not None}
        if second is not None and (failure.found, failure.second_where) in shown_by:
            return  # a shorter pair has shown it
        if failure.token not in {one.token for one in self.failures}:
            self.failures.append(failure)

    async def _look_back(self, run: Run, batch: list[Plan]) -> None:
        """Let the garbage collector look for what the last runs have left; if there is anything, which one it was."""
        plans, batch[:] = list(batch), []
        gc.collect()
        if not run.new(run.watch.take()):
            return
        for plan in plans:
            if plan.token(self.case.signals) not in {one.token for one in self.failures}:
                await self._try(run, plan, collect=True)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def exploration(self, again: Callable[[str], Exploration] | None) -> Exploration:
        """What was found."""
        notes = list(self.notes)
        if self.left_out:
            notes.append(f"limit={self.case.limit}: {self.left_out} more runs were left out")
        if self.ignored:
            kinds = {key_of(one): one for one in sorted(self.ignored)}
            notes.append(f"ignored, as asked: {'; '.join(kinds.values())}")
        if self.missed:
            shown_first = ", ".join(self.missed[:5]) + (", ..." if len(self.missed) > 5 else "")
            notes.append(f"{counted(len(self.missed), 'run')} did not come to the await: {shown_first}")
        points = tuple(
            Point(one.task, one.number, str(one.place), one.place.source, None if one.own is None else str(one.own))
            for one in self.suspensions
            if self.case.takes(one.task)
        )
        signals = tuple(map(shown, self.case.signals))
        untried = tuple(f"{place}: {place.source}" for place in self._untried())
        failures = tuple(sorted(self.failures, key=lambda one: one.second is not None))
        return Exploration(
            self.case.name, self.runs, points, untried, failures, tuple(notes), signals, tuple(self.results), again
        )

    def _untried(self) -> list[Place]:
        """The `await` expressions of the operation's own code that were never suspended."""
        codes = dict.fromkeys([*own_code(self.case.operation), *(code for code, _ in self.sights.spots)])
        suspended = {(code, spot_of(code, instruction)) for code, instruction in self.sights.spots}
        found = [place for code in codes for spot, place in awaits_in(code).items() if (code, spot) not in suspended]
        return sorted(set(found), key=lambda place: (place.file, place.line))


def shown(strike: Strike) -> str:
    """A signal, for a person."""
    if not isinstance(strike, Signal):
        return strike.__name__
    return type(strike).__name__ + ("" if strike.reason is None else f"({strike.reason!r:.40})")


def _where(at: Suspension) -> str:
    return str(at.place) if at.own is None else f"{at.place}, awaited at {at.own}"


def _sites(outcome: Outcome) -> list[Any]:
    return [(one.task, one.number, one.site) for one in outcome.scene.suspensions]
