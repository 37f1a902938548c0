"""One workload, run N times on one kind of task: what `core.py` counts instructions, times and bytes of."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine

KINDS = ("stock", "sigtask", "stock-eager", "sigtask-eager")


TOGETHER = 100
"""How many tasks share one turn of the loop, in the workloads that have many."""


async def step(n: int) -> None:
    """One task that gives the loop a turn, n times."""
    await asyncio.create_task(_steps(n))


async def crowd(n: int) -> None:
    """As `step`, by many tasks at once, n times in all: they share the loop's own cost of a turn. This is stricter."""
    await asyncio.wait([asyncio.create_task(_steps(n // TOGETHER)) for _ in range(TOGETHER)])


async def _steps(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def wake(n: int) -> None:
    """A task that waits for a future and is woken, n times."""
    loop = asyncio.get_running_loop()

    async def body() -> None:
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    await asyncio.create_task(body())


async def spawn(n: int) -> None:
    """Start a task and await its end, n times, one after the other."""

    async def body() -> None:
        pass

    for _ in range(n):
        await asyncio.create_task(body())


async def finish(n: int) -> None:
    """Start tasks in batches and let them finish, n in all; nobody awaits them."""

    async def body() -> None:
        pass

    for _ in range(n // TOGETHER):
        tasks = [asyncio.create_task(body()) for _ in range(TOGETHER)]
        await asyncio.sleep(0)
        del tasks


async def idle(n: int) -> int:
    """The bytes that n tasks take, blocked each on a future of its own: the task and its coroutine, not the future."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(n)]
    tasks: list[asyncio.Task[None]] = [asyncio.current_task()] * n  # type: ignore[list-item]  # room, made beforehand

    async def body(i: int) -> None:
        await futures[i]

    await asyncio.create_task(asyncio.sleep(0))
    before = tracemalloc.get_traced_memory()[0]
    for i in range(n):
        tasks[i] = asyncio.create_task(body(i))
    await asyncio.sleep(0)
    grown = tracemalloc.get_traced_memory()[0] - before
    for future in futures:
        future.set_result(None)
    await asyncio.wait(tasks)
    return grown


WORKLOADS: dict[str, Callable[[int], Coroutine[object, object, None]]] = {
    "step": step,
    "crowd": crowd,
    "wake": wake,
    "spawn": spawn,
    "finish": finish,
}


def _prepare(loop: asyncio.AbstractEventLoop, kind: str) -> None:
    if kind.startswith("sigtask"):
        import sigtask

        sigtask.install(loop, eager=kind.endswith("-eager"))
    elif kind == "stock-eager":
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # from 3.12 on


def seconds(kind: str, workload: str, n: int) -> float:
    """How long the workload takes on tasks of that kind, of `KINDS`."""
    with asyncio.Runner() as runner:
        _prepare(runner.get_loop(), kind)
        # The garbage that the workload makes is collected as ever, at its cost. But whether a full collection of all
        # that was imported falls into a run is chance, and would drown what is measured.
        gc.collect()
        gc.freeze()
        start = time.perf_counter()
        runner.run(WORKLOADS[workload](n))
        return time.perf_counter() - start


def bytes_per_task(kind: str, n: int) -> float:
    """What one idle task of that kind adds to the memory in use, as tracemalloc counts it."""
    with asyncio.Runner() as runner:
        _prepare(runner.get_loop(), kind)
        tracemalloc.start()
        try:
            return runner.run(idle(n)) / n
        finally:
            tracemalloc.stop()


if __name__ == "__main__":
    _kind, _workload, _n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print(bytes_per_task(_kind, _n) if _workload == "idle" else seconds(_kind, _workload, _n))
