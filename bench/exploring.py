"""What a run of `sigtask.testing.explore` costs, beside cancellens and beside the same operation run plainly.

    exploring.py [--runs 1000]

The operation takes a lock and is suspended ten times. Each run makes a state, runs the operation with a cancellation at
one of its awaits, checks that the lock is free, and runs the operation once more. Plainly, that is the operation twice.
cancellens is asked for the same, and for no second cancellation; it is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import statistics
import sys
import time
from asyncio import CancelledError
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from sigtask import Terminate
from sigtask.testing import FakeClockLoop, explore

SUSPENSIONS = 10


class State:
    """What the operation works on."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()


async def setup() -> State:
    """A state for one run."""
    return State()


async def operation(state: State) -> None:
    """Ten suspensions under a lock."""
    async with state.lock:
        for _ in range(SUSPENSIONS):
            await asyncio.sleep(0)


def check(state: State) -> None:
    """Whether the lock is free."""
    assert not state.lock.locked()


def ours(runs: int) -> float:
    """Runs a second of `explore`: plain cancels once, then signals of made-up classes, to have as many runs."""
    classes: list[Any] = [type(f"T{n}", (Terminate,), {}) for n in range(runs // SUSPENSIONS - 1)]
    began = time.perf_counter()
    found = explore(operation, setup=setup, check=check, signals=(CancelledError, *classes))
    found.assert_passed()
    return found.runs / (time.perf_counter() - began)


def one_sweep() -> float:
    """Runs a second of `explore` for one small operation: what it costs to begin counts here."""
    began = time.perf_counter()
    found = explore(operation, setup=setup, check=check, signals=(CancelledError,))
    found.assert_passed()
    return found.runs / (time.perf_counter() - began)


def plainly(runs: int) -> float:
    """Runs a second without anything around."""

    async def all_of_them() -> None:
        for _ in range(runs):
            state = await asyncio.create_task(setup())
            await asyncio.create_task(operation(state))
            check(state)
            await asyncio.create_task(operation(state))

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        began = time.perf_counter()
        runner.run(all_of_them())
        return runs / (time.perf_counter() - began)


def cancellens() -> float:
    """Runs a second of its sweep."""
    peer: Any = importlib.import_module("cancellens")

    async def oracle(state: State, completion: object) -> None:
        check(state)
        await operation(state)

    async def teardown(state: State) -> None:
        pass

    began = time.perf_counter()
    report = asyncio.run(peer.sweep(peer.Case(setup, operation, oracle, teardown), limits=peer.Limits(max_depth=1)))
    return float(len(report.attempts)) / (time.perf_counter() - began)


def main() -> int:
    """Measure them in turn, seven times, and print the middle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    rows: dict[str, Callable[[], float]] = {
        "explore, 1,000 runs": lambda: ours(runs),
        "explore, one sweep": one_sweep,
        "plainly": lambda: plainly(runs),
    }
    if importlib.util.find_spec("cancellens") is not None:
        rows["cancellens, one sweep"] = cancellens
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(7):
        for name, measure in rows.items():
            rates[name].append(measure())
    middle = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in middle.items():
        print(f"{name:24}{rate:10,.0f} runs a second")
    print(f"explore takes {middle['plainly'] / middle['explore, 1,000 runs']:.2f} of the time of running it plainly")
    if "cancellens, one sweep" in middle:
        print(f"explore does {middle['explore, one sweep'] / middle['cancellens, one sweep']:.2f} of cancellens's runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
