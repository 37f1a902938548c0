"""Row k: what a run of `sigtask.testing.explore` costs, beside the same operation run plainly, and beside cancellens.

    exploring.py                                all of it, in a few seconds; prints what came of it
    exploring.py explore stock|sigtask N        one measurement: seconds of processor time per run, of N
    exploring.py sweep sigtask|cancellens N     the same, of N runs in sweeps of ten

The operation takes a lock and is suspended ten times. A run makes a state, runs the operation with a cancellation at
one of its awaits, checks that the lock is free, and runs the operation once more. Plainly, that is the operation twice.

explore   N signals in one exploration: what it costs to begin is spread over all.
sweep     One exploration of ten runs after another, a plain cancel at each await: what it costs to begin counts.
          cancellens is asked for the same, and for no second cancellation.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import json
import sys
import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from counting import ROOT, Program
from rows import EXPLORE, SWEEP, Key, Numbers, goals

WHAT: dict[Key, tuple[str, tuple[str, ...], int]] = {
    # the workload, who takes part, and how many runs
    EXPLORE: ("explore", ("stock", "sigtask"), 1000),
    SWEEP: ("sweep", ("sigtask", "cancellens"), 300),
}
SUSPENSIONS = 10


def measure(exe: str, key: Key, rounds: int, into: Numbers, missing: tuple[str, ...] = ()) -> None:
    """All rounds of that row, in turn, in fresh processes. Raises: `Failed` when the measured program did."""
    what, kinds, n = WHAT[key]
    for i in range(rounds):
        for kind in kinds if i % 2 else kinds[::-1]:
            if kind not in missing:
                told = Program(exe).says(str(ROOT / "bench" / "exploring.py"), what, kind, str(n))
                into.setdefault(key, {}).setdefault(kind, []).append(float(json.loads(told)))


# -- the measured program ---------------------------------------------------------------------------------------------


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


def explore(runs: int) -> int:
    """Plain cancels once, then signals of made-up classes, to have as many runs; gives how many there were."""
    from sigtask import Terminate
    from sigtask.testing import explore as explored

    classes: list[Any] = [type(f"T{n}", (Terminate,), {}) for n in range(runs // SUSPENSIONS - 1)]
    found = explored(operation, setup=setup, check=check, signals=(CancelledError, *classes))
    found.assert_passed()
    return found.runs


def plainly(runs: int) -> int:
    """Without anything around."""
    from sigtask.testing import FakeClockLoop

    async def all_of_them() -> None:
        for _ in range(runs):
            state = await asyncio.create_task(setup())
            await asyncio.create_task(operation(state))
            check(state)
            await asyncio.create_task(operation(state))

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        runner.run(all_of_them())
    return runs


def cancellens(runs: int) -> int:
    """One sweep of the peer's."""
    peer: Any = importlib.import_module("cancellens")

    async def oracle(state: State, completion: object) -> None:
        check(state)
        await operation(state)

    async def teardown(state: State) -> None:
        pass

    report = asyncio.run(peer.sweep(peer.Case(setup, operation, oracle, teardown), limits=peer.Limits(max_depth=1)))
    return len(report.attempts)


WORKLOADS: dict[tuple[str, str], Callable[[int], int]] = {
    ("explore", "stock"): plainly,
    ("explore", "sigtask"): explore,
    ("sweep", "sigtask"): explore,
    ("sweep", "cancellens"): cancellens,
}


def took(what: str, kind: str, n: int) -> float:
    """Seconds of processor time per run."""
    work, at_once = WORKLOADS[what, kind], n if what == "explore" else SUSPENSIONS
    work(SUSPENSIONS)  # imports, and what is made once
    seconds, runs = 0.0, 0
    while runs < n:
        gc.collect()  # what the one has left is not the other's
        began = time.process_time()
        runs += work(at_once)
        seconds += time.process_time() - began
    return seconds / runs


def main() -> int:
    """One measurement, or all of them."""
    if len(sys.argv) > 1:
        what, kind, n = sys.argv[1:]
        print(json.dumps(took(what, kind, int(n))))
        return 0
    numbers: Numbers = {}
    missing = () if importlib.util.find_spec("cancellens") else ("cancellens",)
    for key in WHAT:
        measure(sys.executable, key, 7, numbers, missing)
        for kind, values in numbers[key].items():
            print(f"{key.row:9}{kind:12}{sorted(values)[len(values) // 2] * 1e6:8.0f} us a run")
    for goal in goals():
        if goal.letter == "k" and (found := goal.ratio(numbers)) is not None:
            print(f"{goal.text}: {found}, goal {goal.limit:.3f}{'' if goal.kept(found) else ': MISS'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
