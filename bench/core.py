"""What a sigtask task costs against asyncio's own C task, as ratios in one run: `make bench-core`.

Instructions are counted by callgrind, which gives the same answer on a busy machine as on an idle one. Each workload
runs N and 3N times in processes of their own, and the difference is divided by 2N, so that starting Python, importing
and compiling do not count. Times are taken in pairs, stock and sigtask in turn, and are there to be looked at: only
instructions and bytes have goals.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from pythons import Python, find, probe  # noqa: E402

COUNTED = 3000
TIMED = 30_000
IDLE = 100_000
GOALS = {"step": 1.02, "wake": 1.02, "spawn": 1.20, "crowd": None, "finish": None, "spawn, eager": None}
IDLE_GOAL = 1.35
TITLES = {"crowd": "step of 100 tasks", "finish": "spawn in batches", "idle": "idle task"}


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
            end = f"<= {self.goal:.2f}  {'MISS' if self.missed else 'ok'}"
        title = TITLES.get(self.workload, self.workload)
        numbers = f"{self.stock:10,.{places}f} {self.sigtask:10,.{places}f} {self.ratio:8.3f}"
        return f"  {title:<17} {self.unit:<13} {numbers}   {end}".rstrip()


HEADER = f"  {'workload':<17} {'per one':<13} {'stock':>10} {'sigtask':>10} {'ratio':>8}   goal, or spread"


def measure(python: Python, pairs: int) -> list[Row]:
    """All rows for one Python."""
    workloads = [name for name in GOALS if "eager" not in name or python.version != "3.11"]
    for kind in _kinds(workloads[-1]):
        _run(python, kind, "step", 100)  # so that all is compiled, and stays so
    rows = [_idle(python)]
    if shutil.which("valgrind"):
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            rows = [*pool.map(lambda name: _instructions(python, name), workloads), *rows]
    return rows + [_seconds(python, name, pairs) for name in workloads if pairs]


def _kinds(workload: str) -> tuple[str, str]:
    return ("stock-eager", "sigtask-eager") if "eager" in workload else ("stock", "sigtask")


def _instructions(python: Python, workload: str) -> Row:
    def each(kind: str) -> float:
        few, many = (_count(python, kind, workload, n) for n in (COUNTED, 3 * COUNTED))
        return (many - few) / (2 * COUNTED)

    stock, ours = map(each, _kinds(workload))
    return Row(python.full, workload, "instructions", stock, ours, ours / stock, GOALS[workload])


def _idle(python: Python) -> Row:
    stock, ours = (float(_run(python, kind, "idle", IDLE)) for kind in ("stock", "sigtask"))
    return Row(python.full, "idle", "bytes", stock, ours, ours / stock, IDLE_GOAL)


def _seconds(python: Python, workload: str, pairs: int) -> Row:
    kinds = _kinds(workload)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for i in range(pairs):
        for kind in kinds if i % 2 else reversed(kinds):
            times[kind].append(float(_run(python, kind, workload, TIMED)) / TIMED * 1e6)
    stock, ours = (times[kind] for kind in kinds)
    ratios = [b / a for a, b in zip(stock, ours, strict=True)]
    middle = statistics.median
    spread = (min(ratios), max(ratios))
    return Row(python.full, workload, "us", middle(stock), middle(ours), middle(ratios), spread=spread)


def _count(python: Python, kind: str, workload: str, n: int) -> int:
    tool = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}")
    found = re.search(r"Collected : (\d+)", _run(python, kind, workload, n, *tool, stderr=True))
    if found is None:
        raise SystemExit("callgrind printed no count; run it by hand to see why: valgrind --tool=callgrind python3")
    return int(found[1])


def _run(python: Python, kind: str, workload: str, n: int, *before: str, stderr: bool = False) -> str:
    script = str(ROOT / "bench" / "workloads.py")
    command = [*before, python.path, "-S", script, kind, workload.partition(",")[0], str(n)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stderr if stderr else done.stdout


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", metavar="PATH", help="measure on this one; may be given again")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs per wall-clock ratio (default: 7; 0: none)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a goal is missed")
    return parser.parse_args()


def main() -> int:
    """Measure, print the table; 1 when a goal was missed and `--gate` was given."""
    options = _arguments()
    pythons = [p for p in map(probe, options.python) if p] if options.python else find()
    if not pythons:
        raise SystemExit("no CPython 3.11 to 3.14 there")
    if not shutil.which("valgrind"):
        print("valgrind is not installed (a Debian package of that name): no instructions are counted.")
        if options.gate:
            return 1
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
    return 1 if missed and options.gate else 0


if __name__ == "__main__":
    sys.exit(main())
