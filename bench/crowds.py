"""Rows i and j: a whole program under `run()`, against `asyncio.run()`: nothing, and a crowd.

    crowds.py crowd|pause|run stock|sigtask|pure N      one measurement: what it took per one of N

crowd   Processor time from a Ctrl-C (SIGINT, which the program sends itself) to the end of `run()`, while N tasks wait
        in a `try` whose `finally` counts. Under sigtask that is the default ladder, with its report; asyncio cancels
        the main task, and then everybody. All N must have run their `finally`.
        A million have a minute for it.
pause   Seconds of the longest time between two turns of the loop meanwhile.
run     Seconds of one `run()` of a coroutine that does nothing, of N in a row.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from contenders import CONTENDERS
from counting import ROOT, Program
from rows import CROWD, MILLION, PAUSE, RUN, Key, Numbers

KINDS = ("stock", "sigtask", "pure")
WHAT: dict[Key, tuple[str, int, int]] = {
    # the workload, how many, and in how many rounds
    RUN: ("run", 300, 5),
    PAUSE: ("pause", 100_000, 3),
    CROWD: ("crowd", 200_000, 3),
    MILLION: ("crowd", 1_000_000, 1),
}


def measure(exe: str, key: Key, share: float, into: Numbers) -> None:
    """All rounds of that row, in turn. Raises: `Failed` when the measured program did."""
    what, n, rounds = WHAT[key]
    for i in range(rounds if share == 1.0 else 1):
        for kind in KINDS[i % 3 :] + KINDS[: i % 3]:
            program = Program(exe, env=dict(CONTENDERS[kind].env))
            told = program.says(str(ROOT / "bench" / "crowds.py"), what, kind, str(max(100, int(n * share))))
            into.setdefault(key, {}).setdefault(kind, []).append(float(json.loads(told)))


# -- the measured program ---------------------------------------------------------------------------------------------

Run = Callable[[Any], object]


class Crowd:
    """N tasks that wait, and what is seen of their end."""

    def __init__(self, n: int, *, ticking: bool) -> None:
        self.n, self.ticking = n, ticking
        self.cleaned = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.told_at = self.last_turn = self.pause = 0.0

    async def polite(self) -> None:
        """Waits for ever, and cleans up."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.cleaned += 1

    def turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once in each turn of the loop."""
        now = time.perf_counter()
        self.pause, self.last_turn = max(self.pause, now - self.last_turn), now
        loop.call_soon(self.turn, loop)

    async def main(self) -> None:
        """Spawn all, and tell the process to stop."""
        loop = asyncio.get_running_loop()
        self.tasks = [asyncio.create_task(self.polite()) for _ in range(self.n)]
        await asyncio.sleep(0)
        gc.collect()
        gc.freeze()
        if self.ticking:
            self.last_turn = time.perf_counter()
            self.turn(loop)
        self.told_at = time.process_time()
        os.kill(os.getpid(), signal.SIGINT)
        await loop.create_future()


def crowd(run: Run, n: int, *, ticking: bool = False) -> float:
    """What the end of that many took: processor time of each, or the longest pause of all."""
    seen = Crowd(n, ticking=ticking)
    with contextlib.suppress(KeyboardInterrupt):
        run(seen.main())
    took = time.process_time() - seen.told_at
    assert seen.cleaned == n, f"{seen.cleaned} of {n} ran their finally"
    return seen.pause if ticking else took / n


async def nothing() -> None:
    """The least a program can do."""


def in_a_row(run: Run, n: int) -> float:
    """Seconds of one run that does nothing."""
    for _ in range(20):
        run(nothing())
    began = time.perf_counter()
    for _ in range(n):
        run(nothing())
    return (time.perf_counter() - began) / n


def main(what: str, kind: str, n: str) -> None:
    """Measure, and print."""
    if int(n) > 500_000:  # which takes longer than the default ladder has
        os.environ["SIGTASK_LADDER"] = "drain=10s,terminate=60s,kill=5s"
    run: Run = asyncio.run if kind == "stock" else import_module("sigtask").run
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # a report of a million rows is not read here
    found = in_a_row(run, int(n)) if what == "run" else crowd(run, int(n), ticking=what == "pause")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
