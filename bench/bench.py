"""sigtask beside asyncio and other libraries, all in one run: `make bench`, about a quarter of an hour on two cores.

    make bench BENCH="--quick"      a look, in a minute or two: one round, nothing is written to the docs
    make bench BENCH="--python P"   on that Python, in place of the default one
    make bench BENCH="--only a,e"   these rows alone (letters of the table); written nowhere, unless --write is said:
                                    then in the place of those that are kept of the same Python
    make bench BENCH="--again bench/results/0.1.0.json"   the tables and plots anew, of numbers that are there

What is measured how, and why not with pyperf, stands in `counting`. A full run writes `docs/benchmarks.md`, its plots
and `bench/results/<version>.json`. The peers are installed from the package index into an environment of their own.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import crowds
import exploring
import output
import servers
from contenders import CONTENDERS, LOOPS, PEERS
from counting import NO_VALGRIND, ROOT, Failed, Program, TimedOut, Values, valgrind
from rows import BLOCKS, IDLE, MILLION, PROGRAMS, SIGNALS, SIZES, STOPS, TASKS, Key, Numbers, Row
from table import faster_peers, goal_grid, grids, missed

sys.path.insert(0, str(ROOT / "tools"))

from pythons import SUPPORTED, Python, default, find, probe
from venvs import plain

PACKAGES = (
    "asynkit",
    "anyio",
    "trio",
    "quattro",
    "aiotools",
    "uvloop",
    "aiohttp",
    "uvicorn",
    "httptools",
    "cancellens",
)
CROWD_OF = {"asynkit": 10_000}
"""The most tasks that a contender is asked to stop. asynkit's way takes time with the square of their number."""
AT_MOST = {"uvloop": 3}
"""Rounds by the clock."""
SLOW = 1_000_000
IN_MILLION = ("stock", "sigtask", "pure", "anyio", "trio")
NEEDED_GIB = 10.0


@dataclass
class Plan:
    """How much of it."""

    rounds: int = 5
    sizes: tuple[int, ...] = SIZES
    loops: tuple[str, ...] = LOOPS
    share: float = 1.0
    """Of the counts of each row."""
    serving: tuple[int, int] = (5, 2)
    """Rounds and seconds of load."""
    letters: str = "abcdefghijk"

    def has(self, letter: str) -> bool:
        """Whether such rows are wanted."""
        return letter in self.letters


QUICK = Plan(1, SIZES[:2], LOOPS[:1], 0.1, (1, 1))


@dataclass
class Bench:
    """One run."""

    exe: str
    plan: Plan
    missing: tuple[str, ...] = ()
    numbers: Numbers = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def contenders(self, loop: str) -> list[str]:
        """Who takes part on that loop."""
        compiled = any((ROOT / "src" / "sigtask").glob("*.so"))
        kinds = ("stock", "sigtask", *(("pure",) if compiled else ()), *PEERS)
        there = [kind for kind in kinds if CONTENDERS[kind].package not in self.missing or kind in ("stock", "sigtask")]
        return [kind for kind in there if loop in CONTENDERS[kind].loops]

    def loops(self) -> list[str]:
        """On which loops."""
        return [loop for loop in self.plan.loops if loop not in self.missing]

    def note(self, words: str) -> None:
        """Something the reader of the table must know."""
        if words not in self.notes:
            self.notes.append(words)
            print(words, flush=True)

    def measure(self, mode: str, kind: str, loop: str, jobs: Sequence[str]) -> Values:
        """What that contender takes for it; a peer that fails is left out, and named."""
        program = Program(self.exe, env=dict(CONTENDERS[kind].env))
        try:
            return program.measure(mode, kind, loop, jobs)
        except Failed as error:
            if kind not in PEERS and not isinstance(error, TimedOut):
                raise
            self.note(f"{kind} on {loop} is left out: {str(error).strip().splitlines()[-1]}")
            return {}

    def keep(self, metric: str, kind: str, loop: str, values: Values, suffix: str = "") -> None:
        """Add one round's numbers."""
        for name, value in values.items():
            self.numbers.setdefault(Key(name + suffix, metric, loop), {}).setdefault(kind, []).append(value)

    # -- the parts ----------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Those measured inside a process."""
        return [row for row in (*TASKS, *SIGNALS, *BLOCKS) if self.plan.has(row.letter)]

    def count(self) -> None:
        """Instructions of all rows but the large ones: once, for they repeat."""
        if not valgrind():
            self.note(NO_VALGRIND)
        elif rows := [*self.rows(), *(row for row in STOPS if self.plan.has(row.letter))]:
            self._at_once("count", [f"{row.name}:{_some(row.counted, self.plan.share)}" for row in rows])

    def weigh(self) -> None:
        """Bytes per idle task."""
        if self.plan.has("c"):
            self._at_once("bytes", [f"{IDLE.name}:20000"])

    def _at_once(self, mode: str, jobs: list[str]) -> None:
        everyone = [(kind, loop) for loop in self.loops() for kind in self.contenders(loop)]
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            found = pool.map(lambda one: self.measure(mode, one[0], one[1], jobs), everyone)
            for (kind, loop), values in zip(everyone, found, strict=True):
                self.keep(mode, kind, loop, values)

    def clock(self) -> None:
        """The same rows by the clock."""
        jobs = [f"{row.name}:{_some(row.timed, self.plan.share)}" for row in self.rows()]
        if jobs:
            self._in_turn(lambda kind, loop: self.keep("wall", kind, loop, self.measure("wall", kind, loop, jobs)))

    def _in_turn(self, one: Callable[[str, str], None], rounds: int | None = None) -> None:
        """Everybody once in each round, one at a time, each round from another one on."""
        for loop, i in product(self.loops(), range(rounds or self.plan.rounds)):
            if i >= AT_MOST.get(loop, i + 1):
                continue
            kinds = self.contenders(loop)
            for kind in kinds[i % len(kinds) :] + kinds[: i % len(kinds)]:
                one(kind, loop)

    def stop(self) -> None:
        """Stopping many."""
        for size in self.plan.sizes if self.plan.has("e") or self.plan.has("f") else ():
            if size == SLOW and not self._has_room():
                continue
            rounds = 1 if size == SLOW else self.plan.rounds
            self._in_turn(lambda kind, loop, size=size: self._stop(kind, loop, size), rounds)  # type: ignore[misc]

    def _has_room(self) -> bool:
        room = _gib_free()
        if room < NEEDED_GIB:
            self.note(f"{SLOW:,} tasks are left out: {room:.0f} GiB of memory are free, {NEEDED_GIB:.0f} wanted")
        return room >= NEEDED_GIB

    def _stop(self, kind: str, loop: str, size: int) -> None:
        if size > CROWD_OF.get(kind, size) or (size == SLOW and (kind not in IN_MILLION or loop != LOOPS[0])):
            return
        again = max(1, min(5, 20_000 // size))
        for name in ("stop", "deaf"):  # in a process each: the one must not pay for the other's heap
            if name == "stop" or (kind in ("sigtask", "pure") and loop == "asyncio"):
                values = self.measure("cpu", kind, loop, [f"{name}:{size}:{again}"])
                self.keep("cpu", kind, loop, values, f":{size}")

    def serve(self) -> None:
        """Real servers."""
        if not self.plan.has("h"):
            return
        if not servers.wrk():
            self.note(servers.NO_WRK)
            return
        for loop, server in product(self.loops(), servers.SERVERS):
            if server in self.missing:
                self.note(f"{server} could not be installed: it is not measured.")
                continue
            try:
                servers.measure(self.exe, server, loop, *self.plan.serving, self.numbers)
            except Failed as error:  # the other rows have taken their quarter of an hour, and stand
                self.note(f"{server} on {loop} was not measured to the end: {first_line(error)}")

    def programs(self) -> None:
        """Whole programs under `run()`."""
        for row in PROGRAMS:
            if self.plan.has(row.letter) and (row.key != MILLION or (self.plan.share == 1.0 and self._has_room())):
                try:
                    crowds.measure(self.exe, row.key, self.plan.share, self.numbers)
                except Failed as error:  # as with the servers
                    self.note(f"{row.title} was not measured to the end: {first_line(error)}")

    def explore(self) -> None:
        """The test kit."""
        for key in exploring.WHAT if self.plan.has("k") else ():
            exploring.measure(self.exe, key, self.plan.rounds, self.numbers, self.missing)

    def run(self) -> None:
        """All parts, and how long each took."""
        for part in (self.count, self.weigh, self.clock, self.stop, self.programs, self.explore, self.serve):
            started = time.monotonic()
            part()
            print(f"{part.__name__}: {time.monotonic() - started:.0f} s", flush=True)


def _some(n: int, share: float) -> int:
    """A share of n, in hundreds or thousands as n is."""
    unit = 1000 if n >= 1000 and share == 1.0 else 100
    return max(unit, int(n * share) // unit * unit)


def _gib_free() -> float:
    """What a program may take; where nobody says, it is not asked for the largest row."""
    try:
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text("utf-8"))
    except OSError:
        return 0.0
    return int(found[1]) / 2**20 if found else 0.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of a tenth, on asyncio's loop")
    parser.add_argument("--python", metavar="PATH", help="measure on this one (default: the one make found)")
    parser.add_argument("--only", metavar="LETTERS", help="these rows alone, such as a,e")
    parser.add_argument("--max-tasks", type=int, metavar="N", default=SLOW, help="stop at most so many (row e)")
    parser.add_argument("--write", action="store_true", help="write the docs, with what is kept of other rows")
    parser.add_argument("--again", type=Path, metavar="FILE", help="measure nothing: show and write such a file anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    plan.sizes = tuple(size for size in plan.sizes if size <= options.max_tasks)
    if options.only:
        plan.letters = options.only
    return plan


def _python(path: str | None) -> Python:
    pythons = [python for python in [probe(path)] if python] if path else find()
    if not pythons:
        raise SystemExit(f"no {SUPPORTED} {f'at {path}' if path else 'was found'}")
    return pythons[0] if path else default(pythons)


def _show(run: output.Run) -> None:
    print("", *(grid.text() for grid in grids(run.numbers, run.loops)), sep="\n")
    measured = {run.python: run.numbers}
    print(goal_grid(measured).text())
    print("Peers ahead of sigtask:", *(faster_peers(measured) or ["none"]), sep="\n  ")


def _write(run: output.Run) -> None:
    print("Written:", *(path.relative_to(ROOT) for path in output.write(run)), sep="\n  ")


def first_line(error: Exception) -> str:
    """What has failed, without what it printed."""
    return str(error).partition("\n")[0].rstrip(":")


def main() -> int:
    """Measure, print the tables, and after a full run write them."""
    options, started = _arguments(), time.monotonic()
    if options.again:
        for run in output.read(options.again):
            _show(run)
        _write(run)
        return 0
    python = _python(options.python)
    exe, missing = plain("bench", python, PACKAGES)
    bench = Bench(exe, _plan(options), missing)
    print(f"CPython {python.full}, {os.cpu_count()} cores", flush=True)
    if Program(exe).says("-c", "import sigtask; print(sigtask.implementation)").strip() != "C":
        bench.note("The C twin is not built here: what is said of sigtask is said of its Python twin.")
    for name in missing:
        bench.note(f"{name} could not be installed: what needs it is left out.")
    if options.quick:
        bench.note("A quick run: one round, a tenth of the work, asyncio's loop alone. Times are worth little.")
    bench.run()
    run = output.Run(python.full, output.versions(exe, PACKAGES), bench.numbers, bench.notes, bench.loops())
    _show(run)
    if options.json:
        options.json.write_text(output.as_json([run]), "utf-8")
    if options.write or not (options.quick or options.only or options.max_tasks < SLOW):
        _write(run)
    missed_letters = [f"{goal.letter}: {goal.text}" for goal in missed(bench.numbers)]
    print(f"MISS: {'; '.join(missed_letters)}" if missed_letters else "Every goal that was measured is kept.")
    print(f"In {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
