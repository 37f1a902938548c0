"""Rows a to c: steps, spawns and idle tasks, the same code for every kind of asyncio task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from section import Section

TOGETHER = 100
"""How many tasks share one turn of the loop, or one group, in the workloads that have many."""
GATHERED = 1000
DEPTH = 20


async def nothing() -> None:
    """A task's least."""


# -- a: a step --------------------------------------------------------------------------------------------------------


async def step(n: int, section: Section) -> None:
    """One task that gives the loop a turn, n times."""
    section.start()
    await asyncio.create_task(_steps(n))
    section.stop()


async def crowd(n: int, section: Section) -> None:
    """As `step`, by many tasks at once, n times in all: they share the loop's own cost of a turn. This is stricter."""
    section.start()
    await asyncio.wait([asyncio.create_task(_steps(n // TOGETHER)) for _ in range(TOGETHER)])
    section.stop()


async def chain(n: int, section: Section) -> None:
    """As `step`, at the end of twenty coroutines that await each other."""
    section.start()
    await asyncio.create_task(deep(DEPTH - 1, lambda: _steps(n)))
    section.stop()


async def _steps(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def deep(depth: int, end: Callable[[], Awaitable[Any]]) -> None:
    """So many coroutines that await each other, the last one `end()`."""
    if depth == 0:
        await end()
    else:
        await deep(depth - 1, end)


async def wake(n: int, section: Section) -> None:
    """A task that waits for a future and is woken, n times."""
    loop = asyncio.get_running_loop()

    async def body() -> None:
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    section.start()
    await asyncio.create_task(body())
    section.stop()


async def pingpong(n: int, section: Section) -> None:
    """Two tasks that wake each other by futures, n times in all."""
    loop = asyncio.get_running_loop()
    balls = [loop.create_future(), loop.create_future()]

    async def player(me: int) -> None:
        for _ in range(n // 2):
            await balls[me]
            balls[me] = loop.create_future()
            balls[1 - me].set_result(None)

    players = [asyncio.create_task(player(me)) for me in (0, 1)]
    await asyncio.sleep(0)
    section.start()
    balls[0].set_result(None)
    for task in players:
        await task
    section.stop()


async def queue(n: int, section: Section) -> None:
    """A task that hands n things to another by a queue with room for one."""
    line: asyncio.Queue[int] = asyncio.Queue(1)

    async def give() -> None:
        for i in range(n):
            await line.put(i)

    async def take() -> None:
        for _ in range(n):
            await line.get()

    section.start()
    giving, taking = asyncio.create_task(give()), asyncio.create_task(take())
    await giving
    await taking
    section.stop()


# -- b: spawn and finish ----------------------------------------------------------------------------------------------


async def spawn(n: int, section: Section) -> None:
    """Start a task and await its end, n times, one after the other."""
    section.start()
    for _ in range(n):
        await asyncio.create_task(nothing())
    section.stop()


async def finish(n: int, section: Section) -> None:
    """Start tasks in batches and let them finish, n in all; nobody awaits them."""
    section.start()
    for _ in range(n // TOGETHER):
        tasks = [asyncio.create_task(nothing()) for _ in range(TOGETHER)]
        await asyncio.sleep(0)
        del tasks
    section.stop()


async def group(n: int, section: Section) -> None:
    """Start tasks in groups of a hundred, n in all."""
    section.start()
    for _ in range(n // TOGETHER):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(TOGETHER):
                tasks.create_task(nothing())
    section.stop()


async def gather(n: int, section: Section) -> None:
    """`gather` of a thousand coroutines; n in all."""
    section.start()
    for _ in range(max(1, n // GATHERED)):
        await asyncio.gather(*[nothing() for _ in range(min(n, GATHERED))])
    section.stop()


async def await_done(n: int, section: Section) -> None:
    """Await n tasks that are done."""
    tasks = [asyncio.create_task(nothing()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    for task in tasks:
        await task
    section.stop()


# -- c: memory --------------------------------------------------------------------------------------------------------


async def idle(n: int, section: Section) -> None:
    """n tasks, blocked each on a future of its own; the futures are there before."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(n)]
    tasks: list[Any] = [None] * n  # room, made beforehand

    async def body(i: int) -> None:
        await futures[i]

    await asyncio.create_task(asyncio.sleep(0))
    section.start()
    for i in range(n):
        tasks[i] = asyncio.create_task(body(i))
    await asyncio.sleep(0)
    section.stop()
    for future in futures:
        future.set_result(None)
    await asyncio.wait(tasks)


WORKLOADS = {
    "step": step,
    "crowd": crowd,
    "chain": chain,
    "wake": wake,
    "pingpong": pingpong,
    "queue": queue,
    "spawn": spawn,
    "finish": finish,
    "group": group,
    "gather": gather,
    "await": await_done,
    "idle": idle,
}
