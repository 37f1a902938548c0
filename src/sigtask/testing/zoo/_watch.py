"""Watching one animal: what each signal does to it, and what a `stop()` makes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, TypeVar

from ..._core.blocks import catch, mask
from ..._core.delivery import Fate
from ..._core.factory import install
from ..._core.task import Task
from ..._stop.stop import stop
from ...ladder import Ladder
from ...report import Report
from ...signals import Interrupt, Kill, Signal, Terminate
from .. import FakeClockLoop, turns
from . import Animal

_T = TypeVar("_T")
LADDER = Ladder((Interrupt, 60), (Terminate, 60), (Kill, 60))
BURST = 100
"""Turns of the loop in which something must end, or nothing more is taken to end by itself."""


@dataclass(frozen=True)
class Row:
    """What was seen of one animal: one line of the table."""

    name: str
    habit: str
    interrupt: str
    terminate: str
    kill: str
    turns: str
    ended: str
    verdict: str

    def __str__(self) -> str:
        return "| " + " | ".join(astuple(self)) + " |"


def watch(animal: Animal) -> Row:
    """Each signal is sent to a fresh one, on a loop of its own with a clock that jumps."""
    interrupt = in_a_loop(lambda: effect(animal, Interrupt))
    terminate = in_a_loop(lambda: effect(animal, Terminate))
    kill, count, ended = in_a_loop(lambda: killing(animal))
    verdict = in_a_loop(lambda: stopping(animal, masked=False))
    if verdict is None:
        verdict = f"terminated itself; in a mask: {in_a_loop(lambda: stopping(animal, masked=True))}"
    return Row(animal.name, animal.habit, interrupt, terminate, kill, str(count), ended, verdict)


def in_a_loop(make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run one scene; what is alive after it is killed, so that nothing is left for the next."""
    with room_for_deep_chains(), asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        install(runner.get_loop())
        try:
            return runner.run(make())
        finally:
            clear(runner.get_loop())


def clear(loop: asyncio.AbstractEventLoop) -> None:
    """Kill all, and what they spawned on their last way."""
    for _ in range(5):
        for task in asyncio.all_tasks(loop):
            if isinstance(task, Task):
                task.kill("the scene is over")
        loop.run_until_complete(turns(3))


@contextmanager
def room_for_deep_chains() -> Iterator[None]:
    """A recursion limit under which a chain of 10,000 coroutines can run at all."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 25_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


async def begun(animal: Animal) -> Task[None]:
    """The animal as a task that has taken up its habit."""
    task = asyncio.create_task(animal.make(), name=animal.name)
    await turns(3)
    assert isinstance(task, Task)
    assert not task.done(), task
    return task


async def settled(task: asyncio.Task[Any]) -> None:
    """Until the task is done, or nothing ends any more."""
    burst, before, now = BURST, sys.maxsize, len(asyncio.all_tasks())
    while not task.done() and now < before:
        await turns(burst)
        burst, before, now = 2 * burst, now, len(asyncio.all_tasks())


async def send(task: Task[Any], cls: type[Signal]) -> None:
    """Send it one signal, from nobody: an animal may turn on the sender."""
    asyncio.get_running_loop().call_soon(task.send_signal, cls("watched"))
    await turns(1)


async def effect(animal: Animal, cls: type[Signal]) -> str:
    """What one signal does to it."""
    task = await begun(animal)
    await send(task, cls)
    await settled(task)
    if task.done():
        return ending(task)
    if task.threshold > cls.level:
        return "pending"
    return "delivered, swallowed" if task.history[0].fate is Fate.DELIVERED else "stuck in flight"


async def killing(animal: Animal) -> tuple[str, int, str]:
    """What a Kill does to it, after how many turns of the loop it is done, and how it ended."""
    task = await begun(animal)
    await send(task, Kill)
    count = 0
    while not task.done():
        await turns(1)
        count += 1
    refused = sum(delivery.refused for delivery in task.history)
    fate = task.history[0].fate.value
    abandoned = task._inbox is not None and task._inbox.abandoned
    kill = fate + (f", {refused} more awaits refused" if refused else "")
    return kill, count, "abandoned" if abandoned else ending(task)


def ending(task: asyncio.Task[Any]) -> str:
    """How it ended, in the report's words."""
    if task.cancelled():
        signal = task.ended_by if isinstance(task, Task) else None
        return "cancelled" if signal is None else f"ended by {type(signal).__name__}"
    error = task.exception()
    return "returned" if error is None else f"raised {type(error).__name__}"


async def stopping(animal: Animal, *, masked: bool) -> str | None:
    """What a `stop()` says of it, that climbs from Interrupt; `None` if the animal had the stopping task stopped."""
    task = await begun(animal)
    asked = asyncio.create_task(_asks(task, masked), name="the killer")
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FakeClockLoop)
    for rung in LADDER.rungs:
        await settled(asked)
        if asked.done():
            break
        loop.advance(rung.grace)
    await asyncio.wait([asked])
    return None if asked.cancelled() else asked.result()


async def _asks(task: asyncio.Task[Any], masked: bool) -> str:
    if not masked:
        return told(await stop(task, ladder=LADDER))
    verdict = ""
    with catch(Terminate), mask(Terminate, plain=True):
        verdict = told(await stop(task, ladder=LADDER))
    return verdict  # noqa: RET504 - `catch` may have ended the block before there was one


def told(report: Report) -> str:
    """What a report says of its one target, and of who is left."""
    row = report.tasks[0]
    return f"{row.ended} at {row.rung}" + (f", {len(report.survivors)} survive" if report.survivors else "")
