"""What `setup()` gives: a value, or what an async context manager gives, which ends in the task that it began in."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._core.task import Task
from ..._stop.places import task_place
from .probe import NEVER, Probe
from .watching import told

if TYPE_CHECKING:
    from .run import Outcome, Run


class Setup:
    """The state of one run: `open()` makes it, `close()` ends it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.value: Any = None
        self._task: Any = None
        self._gone: asyncio.Future[None] | None = None

    async def open(self, outcome: Outcome) -> None:
        """Make it. An error is noted in the outcome."""
        if (setup := self.run.case.setup) is None:
            return
        try:
            made = setup()
            if asyncio.iscoroutine(made):
                self.value = await self._made_by(made)
            elif hasattr(type(made), "__aenter__"):
                await self._enter(made)
            else:
                raise TypeError(
                    f"setup() gave {made!r}: it is to be an async function, or an async context manager such as "
                    f"@contextlib.asynccontextmanager makes"
                )
        except (Exception, SystemExit) as error:
            outcome.error = error
            outcome.detail = "setup"

    async def _made_by(self, coro: Any) -> Any:
        if self.run.plain_setup:
            try:
                yielded = copy_context().run(coro.send, None)
            except StopIteration as done:
                return done.value
            coro = _rest_of(coro, yielded)
        probe = Probe(coro, 0, _Nobody(), NEVER)
        self._task = task = self.run.ground.start_hidden(probe)
        self._ended(await self.run.end_of(task))
        self.run.plain_setup = probe.count == 0
        return task.result()

    async def _enter(self, manager: Any) -> None:
        self._gone = asyncio.Future(loop=self.run.loop)
        entered: asyncio.Future[None] = asyncio.Future(loop=self.run.loop)
        self._task = self.run.ground.start_hidden(self._hold(manager, entered))

        def ended(_: object) -> None:
            settle_once(entered)

        self._task.add_done_callback(ended)
        self._ended(await self.run.end_of(entered))
        if self._task.done():
            self._task.result()

    def _ended(self, why: str | None) -> None:
        if why:
            raise RuntimeError(f"setup() did not end: {why}, and it waits at {task_place(self._task)}")

    async def _hold(self, manager: Any, entered: asyncio.Future[None]) -> None:
        assert self._gone is not None
        async with manager as self.value:
            settle_once(entered)
            await self._gone

    async def close(self, outcome: Outcome) -> None:
        """Leave it, and forget it."""
        task, gone, self.value = self._task, self._gone, None
        if gone is None or task.done():
            return
        gone.set_result(None)
        if why := await self.run.end_of(task):
            outcome.found.append(f"the end of setup() did not come: {why}, and it waits at {task_place(task)}")
        elif not task.cancelled() and (error := task.exception()) is not None:
            outcome.found.append(f"the end of setup() raised {told(error)}")
            del error

    def end(self) -> None:
        """Whatever has happened, it does not run on."""
        task, self._task, self.value = self._task, None, None
        if task is not None:
            kill(task)


async def _rest_of(coro: Any, yielded: Any) -> Any:
    """The rest of a coroutine that was begun, and of which that has come out already."""
    return await _Rest(coro, yielded)


class _Rest:
    def __init__(self, coro: Any, yielded: Any) -> None:
        self.coro = coro
        self.yielded = yielded

    def __await__(self) -> Generator[Any, Any, Any]:
        yielded = self.yielded
        while True:
            try:
                value = yield yielded
            except BaseException as error:
                step = partial(self.coro.throw, error)
            else:
                step = partial(self.coro.send, value)
            try:
                yielded = step()
            except StopIteration as done:
                return done.value


class _Nobody:
    """A probe's watcher that only has it count."""

    def suspended(self, probe: Probe, awaited: Any) -> None:
        """Nothing."""

    def thrown(self, probe: Probe, error: asyncio.CancelledError) -> None:
        """Nothing."""


def settle_once(future: asyncio.Future[Any], result: Any = None) -> None:
    """Set its result, if it has none."""
    if not future.done():
        future.set_result(result)


def kill(task: Any) -> None:
    """End a task that runs on."""
    if isinstance(task, Task):
        task.kill("the run is over")
    elif not task.done():
        task.cancel()
