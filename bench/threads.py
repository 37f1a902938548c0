"""What a function in a thread costs: `sigtask.to_thread` beside `asyncio.to_thread`, turn about, in one process.

    python bench/threads.py [--rounds 30]

Prints the median and the least of the rounds, in microseconds for one call of a function that does nothing: seconds by
the clock, and of the processor. On a busy machine the least says most.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import sigtask

Call = Callable[..., Awaitable[Any]]


def nothing() -> None:
    """What is called."""


async def one_by_one(call: Call) -> int:
    """Calls that wait for one another; gives how many."""
    for _ in range(300):
        await call(nothing)
    return 300


async def twenty_at_once(call: Call) -> int:
    """Calls by the twenty; gives how many."""
    for _ in range(20):
        await asyncio.gather(*(call(nothing) for _ in range(20)))
    return 400


async def measure(rounds: int) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """For each way and each library, the clock's and the processor's microseconds per call, round by round."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, call in (("asyncio", asyncio.to_thread), ("sigtask", sigtask.to_thread)):
            for way in (one_by_one, twenty_at_once):
                clock, processor = time.perf_counter(), time.process_time()
                calls = await way(call)
                spent = (time.perf_counter() - clock) / calls, (time.process_time() - processor) / calls
                found.setdefault((way.__name__, name), []).append((spent[0] * 1e6, spent[1] * 1e6))
    return found


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    found = sigtask.run(measure(parser.parse_args().rounds))
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {python}, us per call: by the clock (median, least), of the processor (the same)")
    for (way, name), spent in sorted(found.items()):
        clock, processor = zip(*spent, strict=True)
        figures = (f"{statistics.median(one):9.1f} {min(one):8.1f}" for one in (clock, processor))
        print(f"  {way:<15} {name:<9}", *figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
