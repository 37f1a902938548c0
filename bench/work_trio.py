"""trio's part in the rows: as anyio's, on trio's own loop, with its nurseries, channels, events and cancel scopes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from section import Section
from work_signals import CHILDREN, FRAMES, REASON
from work_tasks import DEPTH, TOGETHER, deep, nothing

trio: Any = import_module("trio")
checkpoint = trio.lowlevel.checkpoint
nursery_of = trio.open_nursery
scope_of = trio.CancelScope
wait_for_ever = trio.sleep_forever


async def _steps(n: int) -> None:
    for _ in range(n):
        await checkpoint()


async def _run(body: Any, *args: Any) -> None:
    async with nursery_of() as tasks:
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
    balls = [trio.Event(), trio.Event()]

    async def player(me: int) -> None:
        for _ in range(n // 2):
            await balls[me].wait()
            balls[me] = trio.Event()
            balls[1 - me].set()

    section.start()
    async with nursery_of() as tasks:
        tasks.start_soon(player, 0)
        tasks.start_soon(player, 1)
        balls[0].set()
    section.stop()


async def queue(n: int, section: Section) -> None:
    """A memory channel with room for one."""
    send, receive = trio.open_memory_channel(1)

    async def give() -> None:
        for i in range(n):
            await send.send(i)

    async def take() -> None:
        for _ in range(n):
            await receive.receive()

    section.start()
    async with nursery_of() as tasks:
        tasks.start_soon(give)
        tasks.start_soon(take)
    section.stop()
    send.close()
    receive.close()


async def group(n: int, section: Section) -> None:
    """Nurseries of a hundred."""
    section.start()
    for _ in range(n // TOGETHER):
        async with nursery_of() as tasks:
            for _ in range(TOGETHER):
                tasks.start_soon(nothing)
    section.stop()


async def idle(n: int, section: Section) -> None:
    """n tasks of one nursery, asleep for ever."""
    async with nursery_of() as tasks:
        section.start()
        for _ in range(n):
            tasks.start_soon(wait_for_ever)
        await checkpoint()
        section.stop()
        tasks.cancel_scope.cancel()


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

        async with nursery_of() as tasks:
            for _ in range(n // each or 1):
                tasks.start_soon(victim)
            for _ in range(4):
                await checkpoint()
            section.start()
            for i, scope in enumerate(scopes):
                scope.cancel(reason=reason)
                while ended[0] == i:
                    await checkpoint()
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

    async with nursery_of() as tasks:
        tasks.start_soon(victim)
        while not scopes:
            await checkpoint()
        section.start()
        for i in range(n):
            scopes[0].cancel(reason=REASON)
            while count[0] == i:
                await checkpoint()
        section.stop()


async def tellgroup(n: int, section: Section) -> None:
    """Nurseries with a thousand children, told one after the other."""
    groups: list[Any] = []
    ended = [0]

    async def holder() -> None:
        async with nursery_of() as tasks:
            groups.append(tasks)
            for _ in range(min(n, CHILDREN)):
                tasks.start_soon(wait_for_ever)
            await wait_for_ever()
        ended[0] += 1

    async with nursery_of() as tasks:
        for _ in range(max(1, n // CHILDREN)):
            tasks.start_soon(holder)
        for _ in range(4):
            await checkpoint()
        section.start()
        for i, one in enumerate(groups):
            one.cancel_scope.cancel(reason=REASON)
            while ended[0] == i:
                await checkpoint()
        section.stop()


async def stop(n: int, section: Section) -> None:
    """Cancel the scope of a nursery of n tasks, and leave it."""
    async with nursery_of() as tasks:
        for _ in range(n):
            tasks.start_soon(wait_for_ever)
        for _ in range(3):
            await checkpoint()
        section.start()
        tasks.cancel_scope.cancel(reason="the program ends")
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
