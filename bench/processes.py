"""What a call in a worker process costs: `to_process`, `ProcessPoolExecutor` and `anyio.to_process`, side by side.

Each contender makes the same calls, with the same number of workers, in short turns, in one run; the workers are warm.
Shown is, for a call, the median over the rounds, the least, and what the calling process itself took of a CPU, which a
busy machine disturbs least. A second part starts child programs, against asyncio's own.

    python bench/processes.py [--rounds N] [--calls N] [--workers N] [--loop asyncio|uvloop]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import sigtask

Call = Callable[..., Awaitable[Any]]


def nothing() -> None:
    """The least there is to do."""


def echo(data: bytes) -> bytes:
    """A megabyte there and back."""
    return data


def count(n: int) -> int:
    """Some work: a fraction of a millisecond."""
    total = 0
    for i in range(n):
        total += i
    return total


MEGABYTE = b"x" * (1 << 20)
WORK: dict[str, tuple[tuple[Any, ...], int]] = {
    # what is called, and by which part of the calls: a megabyte takes longer than nothing
    "a call of nothing": ((nothing,), 1),
    "a call of 0.5 ms": ((count, 10_000), 4),
    "1 MiB there and back": ((echo, MEGABYTE), 20),
}


async def at_once(call: Call, what: tuple[Any, ...], calls: int, tasks: int) -> None:
    """From so many tasks at a time."""

    async def caller() -> None:
        for _ in range(calls // tasks):
            await call(*what)

    await asyncio.gather(*(caller() for _ in range(tasks)))


class Figures:
    """What the rounds of one row have given, for each contender."""

    def __init__(self, name: str, contenders: dict[str, Call]) -> None:
        self.name = name
        self.times: dict[str, list[float]] = {contender: [] for contender in contenders}
        self.cpu: dict[str, list[float]] = {contender: [] for contender in contenders}

    async def take(self, contender: str, work: Awaitable[None], calls: int) -> None:
        """One turn of one contender."""
        began, cpu = time.perf_counter(), time.process_time()
        await work
        self.cpu[contender].append((time.process_time() - cpu) / calls * 1e6)
        self.times[contender].append((time.perf_counter() - began) / calls * 1e6)

    def __str__(self) -> str:
        cells = [
            f"{statistics.median(times):7.0f} {min(times):7.0f} {statistics.median(cpu):6.0f}"
            for times, cpu in zip(self.times.values(), self.cpu.values(), strict=True)
        ]
        return f"  {self.name:<32}" + "".join(f"{cell:>25}" for cell in cells)


def heading(contenders: dict[str, Call]) -> str:
    """Over the columns."""
    return f"  {'us a call: median, least, CPU':<32}" + "".join(f"{name:>25}" for name in contenders)


async def measure(contenders: dict[str, Call], args: argparse.Namespace) -> None:
    """All of the table, row by row; the contenders take turns."""
    print(heading(contenders))
    for name, (what, part) in WORK.items():
        calls = max(args.calls // part, 16)
        for tasks in (1, 4 * args.workers):
            figures = Figures(f"{name}, {'one by one' if tasks == 1 else f'{tasks} tasks'}", contenders)
            for _ in range(args.rounds):
                for contender, call in contenders.items():
                    await figures.take(contender, at_once(call, what, calls, tasks), calls // tasks * tasks)
            print(figures, flush=True)


async def programs(args: argparse.Namespace) -> None:
    """`true`, started and waited for, its output captured."""

    async def stock() -> None:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec("true", stdout=pipe, stderr=pipe)
        await child.communicate()

    contenders: dict[str, Call] = {"run_process": partial(sigtask.run_process, ["true"]), "asyncio's own": stock}
    print(f"\n{heading(contenders)}")
    figures = Figures("a program that does nothing", contenders)
    for _ in range(args.rounds):
        for contender, call in contenders.items():
            await figures.take(contender, at_once(call, (), 10, 1), 10)
    print(figures)


async def main(args: argparse.Namespace) -> None:
    """Start the workers of all, warm them up, and measure."""
    from anyio import CapacityLimiter, to_process

    loop = asyncio.get_running_loop()
    limiter = CapacityLimiter(args.workers)
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as executor:
        async with sigtask.ProcessPool(args.workers) as pool:
            contenders: dict[str, Call] = {
                "sigtask.to_process": pool.run,
                "ProcessPoolExecutor": lambda fn, *a: loop.run_in_executor(executor, fn, *a),
                "anyio.to_process": lambda fn, *a: to_process.run_sync(fn, *a, limiter=limiter),
            }
            for call in contenders.values():
                await at_once(call, (count, 1000), 100, 4 * args.workers)
            await measure(contenders, args)
    await programs(args)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a call in a worker process costs.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    options = parser.parse_args()
    factory: Any = None
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    print(f"Python {sys.version.split()[0]}, {options.loop}, {options.workers} workers, {options.rounds} rounds")
    sigtask.run(main(options), loop_factory=factory)
