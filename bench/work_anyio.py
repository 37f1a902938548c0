"""anyio's part in the rows: its task groups, streams, events and cancel scopes, on stock asyncio tasks.

A signal to one task is its scope's `cancel(reason)`. So each task that is to be told has a scope around its wait,
which is how anyio's documentation has it, and `mask` is `CancelScope(shield=True)`.
"""

# ruff: noqa: ASYNC110  # giving the loop turns until it is seen is what is measured

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from section import Section
from work_signals import CHILDREN, FRAMES, REASON, wait_for_ever
from work_tasks import DEPTH, TOGETHER, deep, nothing

anyio: Any = import_module("anyio")
checkpoint = anyio.lowlevel.checkpoint
group_of = anyio.create_task_group
scope_of = anyio.CancelScope


async def _steps(n: int) -> None:
    for _ in range(n):
        await checkpoint()


async def _run(body: Any, *args: Any) -> None:
    async with group_of() as tasks:
        tasks.start_soon(body, *args)


async def step(n: int, section: Section) -> None:
    """A checkpoint, n times."""
    section.start()
    await _run(_steps, n)
    section.stop()


async def chain(n: int, section: Section) -> None:
    """As `step`, twenty coroutines down."""
    section.start()
    await _run(deep, DEPTH - 1, lambda: _steps(n))
    section.stop()


async def pingpong(n: int, section: Section) -> None:
    """Two tasks that wake each other by events."""
    balls = [anyio.Event(), anyio.Event()]

    async def player(me: int) -> None:
        for _ in range(n // 2):
            await balls[me].wait()
            balls[me] = anyio.Event()
            balls[1 - me].set()

    section.start()
    async with group_of() as tasks:
        tasks.start_soon(player, 0)
        tasks.start_soon(player, 1)
        balls[0].set()
    section.stop()


async def queue(n: int, section: Section) -> None:
    """A memory stream with room for one."""
    send, receive = anyio.create_memory_object_stream(1)

    async def give() -> None:
        for i in range(n):
            await send.send(i)

    async def take() -> None:
        for _ in range(n):
            await receive.receive()

    section.start()
    async with group_of() as tasks:
        tasks.start_soon(give)
        tasks.start_soon(take)
    section.stop()
    send.close()
    receive.close()


async def group(n: int, section: Section) -> None:
    """Task groups of a hundred."""
    section.start()
    for _ in range(n // TOGETHER):
        async with group_of() as tasks:
            for _ in range(TOGETHER):
                tasks.start_soon(nothing)
    section.stop()


async def idle(n: int, section: Section) -> None:
    """n tasks of one group, blocked each on a future of its own."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(n)]

    async def body(i: int) -> None:
        await futures[i]

    async with group_of() as tasks:
        section.start()
        for i in range(n):
            tasks.start_soon(body, i)
        await asyncio.sleep(0)
        section.stop()
        for future in futures:
            future.set_result(None)


# -- d to f -----------------------------------------------------------------------------------------------------------


def to_done(reason: str | None, body: Any = wait_for_ever, each: int = 1) -> Any:
    """n tasks, a scope in each, told one after the other."""

    async def workload(n: int, section: Section) -> None:
        scopes: list[Any] = []
        ended = [0]

        async def victim() -> None:
            with scope_of() as scope:
                scopes.append(scope)
                await body()
            ended[0] += 1

        async with group_of() as tasks:
            for _ in range(n // each or 1):
                tasks.start_soon(victim)
            for _ in range(4):
                await asyncio.sleep(0)
            section.start()
            for i, scope in enumerate(scopes):
                scope.cancel(reason)
                while ended[0] == i:
                    await asyncio.sleep(0)
            section.stop()

    return workload


async def handled(n: int, section: Section) -> None:
    """One task that takes n cancellations, a new scope for each."""
    scopes: list[Any] = []
    count = [0]

    async def victim() -> None:
        for _ in range(n):
            with scope_of() as scope:
                scopes[:] = [scope]
                await wait_for_ever()
            count[0] += 1

    async with group_of() as tasks:
        tasks.start_soon(victim)
        await asyncio.sleep(0)
        section.start()
        for i in range(n):
            scopes[0].cancel(REASON)
            while count[0] == i:
                await asyncio.sleep(0)
        section.stop()


async def tellgroup(n: int, section: Section) -> None:
    """Task groups with a thousand children, told one after the other."""
    groups: list[Any] = []
    ended = [0]

    async def holder() -> None:
        async with group_of() as tasks:
            groups.append(tasks)
            for _ in range(min(n, CHILDREN)):
                tasks.start_soon(wait_for_ever)
            await wait_for_ever()
        ended[0] += 1

    async with group_of() as tasks:
        for _ in range(max(1, n // CHILDREN)):
            tasks.start_soon(holder)
        for _ in range(4):
            await asyncio.sleep(0)
        section.start()
        for i, one in enumerate(groups):
            one.cancel_scope.cancel(REASON)
            while ended[0] == i:
                await asyncio.sleep(0)
        section.stop()


async def stop(n: int, section: Section) -> None:
    """Cancel the scope of a group of n tasks, and leave it."""
    async with group_of() as tasks:
        for _ in range(n):
            tasks.start_soon(wait_for_ever)
        for _ in range(3):
            await asyncio.sleep(0)
        section.start()
        tasks.cancel_scope.cancel("the program ends")
    section.stop()


# -- g ----------------------------------------------------------------------------------------------------------------


async def shield(n: int, section: Section) -> None:
    """`with CancelScope(shield=True)`."""
    section.start()
    for _ in range(n):
        with scope_of(shield=True):
            pass
    section.stop()


async def scope(n: int, section: Section) -> None:
    """`with CancelScope()`."""
    section.start()
    for _ in range(n):
        with scope_of():
            pass
    section.stop()


WORKLOADS = {
    "step": step,
    "chain": chain,
    "pingpong": pingpong,
    "queue": queue,
    "group": group,
    "idle": idle,
    "done": to_done(None),
    "reason": to_done(REASON),
    "handled": handled,
    "caught": handled,
    "frames": to_done(REASON, lambda: deep(FRAMES - 1, wait_for_ever)),
    "tellgroup": tellgroup,
    "stop": stop,
    "mask": shield,
    "accept": scope,
    "catch": scope,
}
