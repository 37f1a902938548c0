"""One workload, run N times on one kind of task: what `core.py` counts instructions and times of."""

from __future__ import annotations

import asyncio
import sys
import time


async def step(n: int) -> None:
    """One task that gives the loop a turn, n times."""

    async def body() -> None:
        for _ in range(n):
            await asyncio.sleep(0)

    await asyncio.create_task(body())


async def spawn(n: int) -> None:
    """Start a task and await its end, n times."""

    async def body() -> None:
        pass

    for _ in range(n):
        await asyncio.create_task(body())


async def finish(n: int) -> None:
    """Start tasks a hundred at a time and let them finish, n in all; nobody awaits them."""

    async def body() -> None:
        pass

    for _ in range(n // 100):
        tasks = [asyncio.create_task(body()) for _ in range(100)]
        await asyncio.sleep(0)
        del tasks


async def wake(n: int) -> None:
    """A task that waits for a future and is woken, n times."""
    loop = asyncio.get_running_loop()

    async def body() -> None:
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    await asyncio.create_task(body())


WORKLOADS = {"step": step, "spawn": spawn, "finish": finish, "wake": wake}


def run(kind: str, workload: str, n: int) -> float:
    """Seconds that the workload takes on tasks of that kind (`stock` or `sigtask`)."""
    with asyncio.Runner() as runner:
        if kind == "sigtask":
            import sigtask

            sigtask.install(runner.get_loop())
        start = time.perf_counter()
        runner.run(WORKLOADS[workload](n))
        return time.perf_counter() - start


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
