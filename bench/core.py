"""What a sigtask task costs against asyncio's own C task, on each CPython there is: `make bench-core`.

Instructions and bytes have goals, times are there to be looked at. How they are taken: see `counting`. The comparison
with other libraries is `make bench`. With `--gate` it is a test, and part of `make test`: it counts on one Python,
and fails when a step or a spawn costs more than it did.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from counting import NO_VALGRIND, Program, Ratio, valgrind

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from pythons import SUPPORTED, Python, find, probe

COUNTED = 4000
TIMED = 30_000
IDLE = 100_000
GOALS = {"step": 1.01, "wake": 1.01, "spawn": 1.08, "crowd": None, "finish": None}
EAGER = ("spawn",)
IDLE_GOAL = 1.20
TITLES = {
    "reason": "a typed signal",
    "stop": "stop() of 1,000",
    "mask": "mask, to a shield",
    "crowd": "step of 100 tasks",
    "finish": "spawn in batches",
    "idle": "idle task",
}

GATED = {"step": 600, "chain": 600, "wake": 600, "queue": 600, "spawn": 600, "finish": 600, "group": 600}
GATED |= {"reason": 300, "stop": 1000, "mask": 300}
"""What the gate counts, and how many of each: steps and tasks, a typed signal, a stop of a thousand, a mask."""
GATES = {
    "C": {
        "step": 1.004,
        "chain": 1.005,
        "wake": 1.005,
        "queue": 1.006,
        "spawn": 1.092,
        "finish": 1.000,
        "group": 1.018,
        "reason": 1.243,
        "stop": 1.134,
        "mask": 0.053,
    },
    "Python": {
        "step": 1.021,
        "chain": 1.019,
        "wake": 1.013,
        "queue": 1.014,
        "spawn": 1.310,
        "finish": 1.608,
        "group": 1.407,
        "reason": 2.954,
        "stop": 4.750,
        "mask": 0.194,
    },
}
"""The ratios as they stand, so counted: the highest of CPython 3.11.7, 3.12.1 and 3.13.0. Lower them with the code."""
NEWER = {
    "C": {
        "step": 1.006,
        "chain": 1.006,
        "spawn": 1.116,
        "finish": 1.044,
        "group": 1.049,
        "reason": 1.283,
        "stop": 1.187,
    },
    "Python": {"step": 1.022, "spawn": 1.355, "finish": 1.654, "reason": 3.069},
}
"""What is dearer from CPython 3.14 on: the highest of 3.14.10 and 3.15.2 (docs/benchmarks.md says why)."""
HEADROOM = 1.01


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    python: str
    workload: str
    unit: str
    stock: float
    sigtask: float
    ratio: float
    goal: float | None = None
    spread: tuple[float, float] | None = None
    """The lowest and the highest ratio, of those whose median `ratio` is."""

    @property
    def missed(self) -> bool:
        """Whether there is a goal, and it is not kept."""
        return self.goal is not None and self.ratio > self.goal

    def __str__(self) -> str:
        places = 2 if self.unit == "us" else 0
        end = f"{self.spread[0]:.2f} to {self.spread[1]:.2f}" if self.spread else ""
        if self.goal is not None:
            end = f"<= {self.goal:.3f}  {'MISS' if self.missed else 'ok'}"
        title = TITLES.get(self.workload, self.workload)
        numbers = f"{self.stock:10,.{places}f} {self.sigtask:10,.{places}f} {self.ratio:8.3f}"
        return f"  {title:<17} {self.unit:<13} {numbers}   {end}".rstrip()


HEADER = f"  {'workload':<17} {'per one':<13} {'stock':>10} {'sigtask':>10} {'ratio':>8}   goal, or spread"


def program(python: Python, *, pure: bool = False) -> Program:
    """That Python, with nothing in it but its library and `src`; `pure` takes the twin in Python."""
    return Program(python.path, ("-S",), {"SIGTASK_PURE": "1"} if pure else {})


Sizes = int | dict[str, int]


def measure(python: Python, pairs: int) -> list[Row]:
    """All rows for one Python."""
    pairs_of_kinds = [("stock", "sigtask", tuple(GOALS))]
    if python.version != "3.11":
        pairs_of_kinds.append(("stock-eager", "sigtask-eager", EAGER))
    rows: list[Row] = []
    for stock, ours, names in pairs_of_kinds:
        if valgrind():
            rows += counted(python, (stock, ours), {name: GOALS[name] for name in names}, COUNTED)
        if stock == "stock":
            rows += _idle(python)
        if pairs:
            rows += _seconds(python, (stock, ours), names, pairs)
    return sorted(rows, key=lambda row: ("instructions", "bytes", "us").index(row.unit))


def counted(
    python: Python, kinds: tuple[str, str], goals: dict[str, float | None], n: Sizes, pure: bool = False
) -> list[Row]:
    """The instructions of these workloads, so many of each, on both kinds of task at the same time."""
    jobs = [f"{name}:{n if isinstance(n, int) else n[name]}" for name in goals]
    runner = program(python, pure=pure)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        stock, ours = pool.map(lambda kind: runner.measure("count", kind, "asyncio", jobs), kinds)
    return [
        Row(python.full, _name(name, kinds), "instructions", stock[name], ours[name], ours[name] / stock[name], goal)
        for name, goal in ((name, goal if "eager" not in kinds[0] else None) for name, goal in goals.items())
    ]


def _name(workload: str, kinds: tuple[str, str]) -> str:
    return f"{workload}, eager" if "eager" in kinds[0] else workload


def _idle(python: Python) -> list[Row]:
    stock, ours = (
        program(python).measure("bytes", kind, "asyncio", [f"idle:{IDLE}"])["idle"] for kind in ("stock", "sigtask")
    )
    return [Row(python.full, "idle", "bytes", stock, ours, ours / stock, IDLE_GOAL)]


def _seconds(python: Python, kinds: tuple[str, str], names: tuple[str, ...], pairs: int) -> list[Row]:
    jobs = [f"{name}:{TIMED}" for name in names]
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for i in range(pairs):
        for kind in kinds if i % 2 else reversed(kinds):
            rounds[kind].append(program(python).measure("wall", kind, "asyncio", jobs))
    rows = []
    for name in names:
        stock, ours = ([found[name] * 1e6 for found in rounds[kind]] for kind in kinds)
        ratio, middle = Ratio.of(ours, stock), statistics.median
        spread = (ratio.low, ratio.high)
        title = _name(name, kinds)
        rows.append(Row(python.full, title, "us", middle(stock), middle(ours), ratio.middle, spread=spread))
    return rows


def gate(python: Python) -> int:
    """Count a few instructions on both twins; 1 when something costs more than `GATES` allows."""
    if not valgrind():
        print(f"NOT CHECKED: {NO_VALGRIND} A slower step would not be seen.")
        return 0
    missed: list[str] = []
    counts = 0
    for pure in (False, True):
        twin = program(python, pure=pure).says("-c", "import sigtask; print(sigtask.implementation)").strip()
        if not pure and twin == "Python":
            print("NOT CHECKED: the twin in C is not built here.")
            continue
        ratios = GATES[twin] | (NEWER[twin] if python.version in ("3.14", "3.15") else {})
        goals: dict[str, float | None] = {name: ratio * HEADROOM for name, ratio in ratios.items()}
        rows = counted(python, ("stock", "sigtask"), goals, GATED, pure)
        print(f"CPython {python.full}, the twin in {twin}\n{HEADER}", *rows, sep="\n")
        missed += [f"{row.workload} ({twin})" for row in rows if row.missed]
        counts += len(rows)
    print(f"MISS: {', '.join(missed)} costs more than before" if missed else f"{counts} counts, none above its limit.")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", metavar="PATH", help="measure on this one; may be given again")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs per wall-clock ratio (default: 7; 0: none)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--gate", action="store_true", help="count a little on one Python; exit with 1 if it is too much"
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print the table; with `--gate`, 1 when there is more than there may be."""
    options = _arguments()
    paths = options.python or ([sys.executable] if options.gate else [])
    pythons = [python for python in map(probe, paths) if python] if paths else find()
    if not pythons:
        raise SystemExit(f"no {SUPPORTED} there")
    if options.gate:
        return max(map(gate, pythons))
    if not valgrind():
        print(NO_VALGRIND)
    rows: list[Row] = []
    for python in pythons:
        print(f"CPython {python.full}\n{HEADER}", flush=True)
        new = measure(python, options.pairs)
        print(*new, "", sep="\n", flush=True)
        rows += new
    missed = [f"{row.workload} on {row.python}" for row in rows if row.missed]
    print(f"MISS: {'; '.join(missed)}" if missed else "Every goal is kept.")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
