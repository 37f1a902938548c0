"""One run: fresh state, the operation with a signal at one await, and then everything that is looked at."""

from __future__ import annotations

import asyncio
import gc
import re
import traceback
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..._stop.places import short, task_place
from ...signals import Interrupt
from .case import Case
from .held import Held, Roots, Shared
from .lab import Ground
from .left import nothing
from .plan import Plan, level_of
from .probe import Probe
from .scene import Scene, without_a_fate
from .setup import Setup, kill, settle_once
from .sites import Place, Sights, Site, brief
from .watching import Watch, is_the_kits, told

SETTLE = 20
"""Turns of the loop that what the operation leaves behind has to end by itself."""


LOOKS, LATER = 50, 0.01
"""How often it is looked whether a lock is free again, and after how many seconds."""


@dataclass(slots=True)
class Outcome:
    """What was seen in one run."""

    scene: Scene
    found: list[str] = field(default_factory=list)
    stuck: str | None = None
    """Why the operation was not waited for any longer, and where it stood."""
    error: BaseException | None = None
    """What made the run impossible: an error of `setup()`, or of the operation before any signal."""
    again: str | None = None
    """What was wrong when the operation ran once more on the same state."""
    detail: str = ""
    """The traceback of what `check()` raised."""
    in_threads: list[str] = field(default_factory=list)
    """The functions that were still at work in a thread."""
    made: int = -1
    """How many tasks the loop had made when the operation had left none behind; -1 when something may run on."""

    def is_quiet(self, made: int) -> bool:
        """Whether nothing was left behind then, and no task was made since."""
        return self.made == made


class Run:
    """Does one run after another in one place. `reuse` is whether the operation runs once more after each."""

    def __init__(self, case: Case, ground: Ground, watch: Watch, sights: Sights) -> None:
        self.case = case
        self.ground = ground
        self.loop = ground.get_loop()
        self.watch = watch
        self.sights = sights
        self.reuse = case.reuse
        self.plain_setup = False  # whether setup() is known to give the state without being suspended
        self.is_empty = False  # whether there is known to be no task before an operation
        self.looks = True  # whether there are any locks to look at
        self.roots = Roots(case.operation)
        self.shared: Shared | None = None  # what compares the states of the first two runs
        self.excused: frozenset[str] = frozenset()  # what is found without a signal, too
        self.ignored: set[str] = set()  # what was found, and was to be ignored
        self.undead: list[Any] = []  # tasks that even a Kill has not ended

    async def __call__(self, plan: Plan | None, expected: Site | None = None, *, collect: bool = False) -> Outcome:
        """Do one. Cancelled, it kills what it has started."""
        scene = Scene(self.loop, plan, expected, self.sights)
        scene.pairs = self.case.pairs or (plan is not None and plan.second is not None)
        outcome = Outcome(scene)
        state = Setup(self)
        before: set[Any] | None = None
        try:
            await state.open(outcome)
            if outcome.error is None:
                before = self._before()
                await self._operate(outcome, state.value, before)
                if outcome.stuck is None and outcome.error is None:
                    await self._check(outcome, state.value)
                    await self._use_again(outcome, state.value)
            await state.close(outcome)
        finally:
            self.ground.spawn = None
            scene.is_open = False
            state.end()
            self.ground.install()
            self.watch.listen(self.loop)
            if (in_loop := self.ground.left) is not None:
                in_loop.end()
            left = set() if before is None or outcome.is_quiet(self.ground.made) else self._left(before)
            for task in left:
                kill(task)
        del state
        if left and before is not None:
            del left
            self.undead += await self._settle(before)
        if collect:
            gc.collect()
            await asyncio.sleep(0)
        if found := [*outcome.found, *self.watch.open_generators(), *self.watch.take()]:
            outcome.found = self.new(list(dict.fromkeys(found)))
        return outcome

    def _before(self) -> set[Any]:
        """The tasks that are there before the operation begins; what makes them is the same in each run."""
        if self.is_empty:
            return set()
        before = asyncio.all_tasks(self.loop)
        self.is_empty = not before
        return before

    def _left(self, before: set[Any]) -> set[Any]:
        left = asyncio.all_tasks(self.loop)
        return left - before if left and before else left

    # -- the operation ------------------------------------------------------------------------------------------------

    async def _operate(self, outcome: Outcome, state: Any, before: set[Any]) -> None:
        scene, in_loop = outcome.scene, self.ground.left
        if self.shared is not None:
            self.shared.look(state, self.roots.of(state), self.roots.kinds)
        held = Held(self.roots.of(state), self.roots.kinds) if self.looks else None
        try:
            coro = self.case.start(state)
        except Exception as error:
            outcome.error = error
            return
        self.ground.spawn = scene.spawn
        task = self.ground.start(scene.probe(coro), None if in_loop is None else in_loop.begin())
        outcome.stuck = await self.end_of(task, scene)
        outcome.found += self._ending(outcome, task)
        outcome.found += without_a_fate(task)
        del coro
        left = await self._settle(before | {task} if outcome.stuck is not None else before)
        del task
        scene.is_open = False
        self.ground.spawn = None
        outcome.found += [f"{_what(one)} runs on at {task_place(one)}" for one in left]
        await self._look_around(outcome, held, alone=len(before) <= self.ground.own_tasks, are_left=bool(left))
        if not left and outcome.stuck is None:
            outcome.made = self.ground.made

    async def _look_around(self, outcome: Outcome, held: Held | None, *, alone: bool, are_left: bool) -> None:
        """Whatever else it has left behind."""
        if (in_loop := self.ground.left) is not None and outcome.stuck is None:
            outcome.in_threads = in_loop.threads()
            if not are_left and (timers := self.new(in_loop.timers())):  # else they would be those of the tasks
                outcome.found += await self._for_a_while(in_loop.timers) if self.case.real_time else timers
            outcome.found += in_loop.handlers()
            if self.new(in_loop.files()):
                outcome.found += await self._for_a_while(in_loop.files)
        if held is not None:
            if held.changes(alone=alone):
                outcome.found += await self._for_a_while(lambda: held.changes(alone=alone))
            self.looks = self.looks and (bool(held) or outcome.scene.plan is not None)

    async def end_of(self, task: Any, scene: Scene | None = None) -> str | None:
        """Wait until it is done; else why it is not waited for any longer."""
        gone: asyncio.Future[str | None] = asyncio.Future(loop=self.loop)
        if scene is not None:
            scene.enough = lambda: settle_once(gone, f"after {scene.most:,} suspensions")

        def ended(_: object) -> None:
            settle_once(gone)

        task.add_done_callback(ended)
        self.ground.bound(partial(settle_once, gone))
        try:
            return await gone
        finally:
            self.ground.release()
            if scene is not None:
                scene.enough = nothing  # no cycle: the garbage collector is to find what is the operation's alone

    async def _settle(self, before: set[Any]) -> set[Any]:
        """Give what is left some turns to end; gives what has not."""
        for _ in range(SETTLE):
            if not self._left(before):
                return set()
            await asyncio.sleep(0)
        return self._left(before)

    async def _for_a_while(self, look: Callable[[], list[str]]) -> list[str]:
        """What stays so: others, a thread perhaps, may hold something for a while."""
        for _ in range(LOOKS):
            await asyncio.sleep(LATER)
            if not self.new(look()):
                return []
        return look()

    def new(self, found: list[str]) -> list[str]:
        """Without what is found without a signal, too, and what is to be ignored."""
        new = [one for one in found if key_of(one) not in self.excused]
        for words in self.case.ignore:
            self.ignored.update(one for one in new if words in one)
            new = [one for one in new if words not in one]
        return new

    def _ending(self, outcome: Outcome, task: Any) -> list[str]:
        """How the operation ended, as far as that is a finding."""
        scene = outcome.scene
        if outcome.stuck is not None:
            outcome.stuck = f"{outcome.stuck}, and it waits at {task_place(task)}"
            return [] if scene.plan is None or self._may_go_on(scene) else [f"did not end: {outcome.stuck}"]
        if task.cancelled():
            if scene.struck is None:
                outcome.error = CancelledError("nobody had cancelled it")
            return []
        error = task.exception()
        try:
            if error is not None and scene.struck is None:
                outcome.error = error
            elif error is not None:
                return [f"raised {told(error)}, in answer to the signal"]
            elif (place := self._swallowed_at(scene)) is not None and task.cancelling() > 0:
                return [f"swallowed the signal, and went on at {place}"]
            return []
        finally:
            del error

    def _swallowed_at(self, scene: Scene) -> Place | None:
        """Where the operation's own task went on, and no longer handled a signal that was to end it."""
        target = scene.target
        is_ours = target is not None and target.number == 0 and self._is_strong(scene)
        return target.went_on if target is not None and is_ours else None

    def _may_go_on(self, scene: Scene) -> bool:
        """Whether what was sent may be taken, and the task go on with something else."""
        return not self._is_strong(scene) and not self.case.ends

    def _is_strong(self, scene: Scene) -> bool:
        level = 0 if scene.plan is None else level_of(scene.plan.signal)
        return level == 0 or level > Interrupt.level

    # -- afterwards ---------------------------------------------------------------------------------------------------

    async def _check(self, outcome: Outcome, state: Any) -> None:
        check = self.case.check
        if check is None:
            return
        try:
            found = check() if self.case.setup is None else check(state)
            if not asyncio.iscoroutine(found):
                return
        except (Exception, CancelledError, SystemExit) as error:
            _failed_check(outcome, error)
            return
        task = self.ground.start(found)
        if why := await self.end_of(task):
            outcome.made = -1
            outcome.found.append(f"check() did not end: {why}, and it waits at {task_place(task)}")
        elif task.cancelled():
            outcome.found.append("check() itself failed: CancelledError")
        elif (wrong := task.exception()) is not None:
            _failed_check(outcome, wrong)
            del wrong

    async def _use_again(self, outcome: Outcome, state: Any) -> None:
        if not self.reuse:
            return
        task = self.ground.start(self.case.start(state))
        if why := await self.end_of(task):
            outcome.made = -1
            outcome.again = f"{why}, and it waits at {task_place(task)}"
        elif task.cancelled():
            outcome.again = "it was cancelled, and nobody had asked for that"
        elif (error := task.exception()) is not None:
            outcome.again = f"it raised {told(error)}"
            del error
        if outcome.again is not None:
            outcome.found.append(f"not usable again: {outcome.again}")


def _failed_check(outcome: Outcome, error: BaseException) -> None:
    if isinstance(error, AssertionError):
        outcome.found.append(f"check: {str(error).partition(chr(10))[0] or _asserted(error)}")
    else:
        outcome.found.append(f"check() itself failed: {told(error)}")
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and is_the_kits(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    outcome.detail = "".join(traceback.format_exception(type(error), error, trace))


def key_of(found: str) -> str:
    """What was found, without places and numbers: by this it is compared with what is found without a signal."""
    return re.sub(r"0x[0-9a-f]+|\d+", "#", found.partition(" at ")[0])


def _what(task: Any) -> str:
    coro = task.get_coro()
    if type(coro) is Probe:
        coro = coro.coro
    return f"the task of {brief(getattr(coro, '__qualname__', type(coro).__name__))}()"


def _asserted(error: AssertionError) -> str:
    """What an assertion without a message says: its own line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.line} ({short(last.filename)}:{last.lineno})"
