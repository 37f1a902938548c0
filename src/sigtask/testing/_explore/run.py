"""One run: fresh state, the operation with a signal at one await, and then everything that is looked at."""

from __future__ import annotations

import asyncio
import gc
import re
import traceback
from asyncio import CancelledError
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..._core.task import Task
from ..._stop.places import short, task_place
from ...signals import Interrupt
from .case import Case
from .held import Held, roots_of
from .lab import Ground
from .plan import Plan, level_of
from .probe import Probe
from .scene import Scene, nothing, without_a_fate
from .sites import Place, Site, brief
from .watching import Watch, told

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
    state: Any = None
    """What `setup()` gave, where that is to be compared."""


class Run:
    """Does one run after another in one place. `reuse` is whether the operation runs once more after each."""

    def __init__(self, case: Case, ground: Ground, watch: Watch) -> None:
        self.case = case
        self.ground = ground
        self.loop = ground.get_loop()
        self.watch = watch
        self.reuse = case.reuse
        self.looks = True  # whether there are any locks to look at
        self.excused: frozenset[str] = frozenset()  # what is found without a signal, too
        self.undead: list[Any] = []  # tasks that even a Kill has not ended

    async def __call__(self, plan: Plan | None, expected: Site | None = None, *, collect: bool = False) -> Outcome:
        """Do one. Cancelled, it kills what it has started."""
        scene = Scene(self.loop, plan, expected)
        scene.pairs = self.case.pairs or (plan is not None and plan.second is not None)
        outcome = Outcome(scene)
        before: set[Any] = set()
        try:
            state = _State(self)
            await state.open(outcome)
            if outcome.error is None:
                before = asyncio.all_tasks(self.loop)
                await self._operate(outcome, state.value, before)
                if outcome.stuck is None and outcome.error is None:
                    await self._check(outcome, state.value)
                    await self._use_again(outcome, state.value)
            await state.close(outcome)
            del state
        finally:
            self.ground.spawn = None
            scene.is_open = False
            left = asyncio.all_tasks(self.loop) - before if before else set()
            for task in left:
                _kill(task)
        if left:
            del left
            self.undead += await self._settle(before)
        if collect:
            gc.collect()
            await asyncio.sleep(0)
        outcome.found += [*self.watch.open_generators(), *self.watch.take()]
        outcome.found = [one for one in dict.fromkeys(outcome.found) if key_of(one) not in self.excused]
        return outcome

    # -- the operation ------------------------------------------------------------------------------------------------

    async def _operate(self, outcome: Outcome, state: Any, before: set[Any]) -> None:
        scene = outcome.scene
        try:
            coro = self.case.start(state)
        except Exception as error:
            outcome.error = error
            return
        held = Held(roots_of(self.case.operation, state)) if self.looks else None
        self.ground.spawn = scene.spawn
        task = self.loop.create_task(scene.probe(coro), name="explored")
        outcome.stuck = await self._end_of(task, scene)
        if outcome.stuck is None:
            outcome.found += self._ending(outcome, task)
        elif scene.plan is not None and not self._may_go_on(scene):
            outcome.found.append(f"did not end: {outcome.stuck}, and it waits at {task_place(task)}")
        else:
            outcome.stuck = f"{outcome.stuck}, and it waits at {task_place(task)}"
        fates = without_a_fate(task)
        left = await self._settle({*before, task})
        del task
        scene.is_open = False
        self.ground.spawn = None
        outcome.found += [*fates, *(f"{_what(one)} runs on at {task_place(one)}" for one in left)]
        if held is not None:
            outcome.found += await self._still_held(held, alone=len(before) <= 2)  # ourselves, and who keeps the state
            self.looks = self.looks and (bool(held) or scene.plan is not None)

    async def _end_of(self, task: Any, scene: Scene | None = None) -> str | None:
        """Wait until it is done; else why it is not waited for any longer."""
        gone: asyncio.Future[str | None] = self.loop.create_future()

        def stuck(why: str) -> None:
            if not gone.done():
                gone.set_result(why)

        def ended(_: object) -> None:
            if not gone.done():
                gone.set_result(None)

        if scene is not None:
            scene.enough = lambda: stuck(f"after {scene.most:,} suspensions")
        task.add_done_callback(ended)
        self.ground.bound(stuck)
        try:
            return await gone
        finally:
            self.ground.release()
            if scene is not None:
                scene.enough = (
                    nothing  # no cycle: nothing is left for the garbage collector but what is the operation's
                )

    async def _settle(self, before: set[Any]) -> set[Any]:
        """Give what is left some turns to end; gives what has not."""
        for _ in range(SETTLE):
            if not asyncio.all_tasks(self.loop) - before:
                return set()
            await asyncio.sleep(0)
        return asyncio.all_tasks(self.loop) - before

    async def _still_held(self, held: Held, *, alone: bool) -> list[str]:
        """What stays held: others, a thread perhaps, may hold it for a while."""
        found = held.changes(alone=alone)
        for _ in range(LOOKS if found else 0):
            await asyncio.sleep(LATER)
            if not (found := held.changes(alone=alone)):
                break
        return found

    def _ending(self, outcome: Outcome, task: Any) -> Iterator[str]:
        """How the operation ended, as far as that is a finding."""
        scene = outcome.scene
        if task.cancelled():
            if scene.struck is None:
                outcome.error = CancelledError("nobody had cancelled it")
            return
        error = task.exception()
        try:
            if error is not None and scene.struck is None:
                outcome.error = error
            elif error is not None:
                yield f"raised {told(error)}, in answer to the signal"
            elif (place := self._swallowed_at(scene)) is not None and task.cancelling() > 0:
                yield f"swallowed the signal, and went on at {place}"
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
            if asyncio.iscoroutine(found):
                task = self.loop.create_task(found)
                if why := await self._end_of(task):
                    outcome.found.append(f"check() did not end: {why}, and it waits at {task_place(task)}")
                else:
                    task.result()
        except AssertionError as error:
            outcome.found.append(f"check: {str(error).partition(chr(10))[0] or _asserted(error)}")
            outcome.detail = traceback.format_exc()
        except Exception as error:
            outcome.found.append(f"check() itself failed: {told(error)}")
            outcome.detail = traceback.format_exc()

    async def _use_again(self, outcome: Outcome, state: Any) -> None:
        if not self.reuse:
            return
        task = self.loop.create_task(self.case.start(state), name="explored again")
        if why := await self._end_of(task):
            outcome.again = f"{why}, and it waits at {task_place(task)}"
        elif task.cancelled():
            outcome.again = "it was cancelled, and nobody had asked for that"
        elif (error := task.exception()) is not None:
            outcome.again = f"it raised {told(error)}"
            del error
        if outcome.again is not None:
            outcome.found.append(f"not usable again: {outcome.again}")


class _State:
    """What `setup()` gave: a value, or what an async context manager gives, which ends in the task that it began in."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.value: Any = None
        self._task: Any = None
        self._gone: asyncio.Future[None] | None = None

    async def open(self, outcome: Outcome) -> None:
        """Make it. An error is noted in the outcome."""
        setup, loop = self.run.case.setup, self.run.loop
        if setup is None:
            return
        try:
            made = setup()
            if hasattr(type(made), "__aenter__"):
                self._gone = loop.create_future()
                self._task = loop.create_task(self._hold(made, entered := loop.create_future()), name="setup")
                self._task.add_done_callback(partial(_settle_once, entered))
                why = await self.run._end_of(entered)
            elif asyncio.iscoroutine(made):
                self._task = loop.create_task(made, name="setup")
                why = await self.run._end_of(self._task)
            else:
                raise TypeError(
                    f"setup() gave {made!r}: it is to be an async function, or an async context manager such as "
                    f"@contextlib.asynccontextmanager makes"
                )
            if why:
                raise RuntimeError(f"setup() did not end: {why}, and it waits at {task_place(self._task)}")
            if self._task.done():
                self.value = self._task.result()
            if outcome.scene.plan is None and not self.run.excused:
                outcome.state = self.value
        except Exception as error:
            outcome.error = error
            outcome.detail = "setup"

    async def _hold(self, manager: Any, entered: asyncio.Future[None]) -> None:
        assert self._gone is not None
        async with manager as self.value:
            _settle_once(entered)
            await self._gone

    async def close(self, outcome: Outcome) -> None:
        """Leave it, and forget it."""
        task, gone, self.value, self._task = self._task, self._gone, None, None
        if gone is None or task.done():
            return
        gone.set_result(None)
        if why := await self.run._end_of(task):
            outcome.found.append(f"the end of setup() did not come: {why}, and it waits at {task_place(task)}")
            _kill(task)
        elif not task.cancelled() and (error := task.exception()) is not None:
            outcome.found.append(f"the end of setup() raised {told(error)}")
            del error


def _settle_once(future: asyncio.Future[None], _: object = None) -> None:
    if not future.done():
        future.set_result(None)


def key_of(found: str) -> str:
    """What was found, without places and numbers: by this it is compared with what is found without a signal."""
    return re.sub(r"0x[0-9a-f]+|\d+", "#", found.partition(" at ")[0])


def _what(task: Any) -> str:
    coro = task.get_coro()
    if type(coro) is Probe:
        coro = coro.coro
    return f"the task of {brief(getattr(coro, '__qualname__', type(coro).__name__))}()"


def _kill(task: Any) -> None:
    if isinstance(task, Task):
        task.kill("the run is over")
    elif not task.done():
        task.cancel()


def _asserted(error: AssertionError) -> str:
    """What an assertion without a message says: its own line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.line} ({short(last.filename)}:{last.lineno})"
