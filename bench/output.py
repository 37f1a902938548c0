"""What a full run leaves behind: the page in the docs, its plots, and the numbers as JSON, kept per release."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import statistics
import subprocess
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import plots
from contenders import CONTENDERS
from counting import ROOT
from rows import BLOCKS, IDLE, SIGNALS, SIZES, TASKS, Key, Numbers, Row, ratio
from table import ORDER, faster_peers, goal_grid, grids

PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "img"
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Run:
    """One run, and what it was run on; nothing that names a machine."""

    python: str
    packages: dict[str, str]
    numbers: Numbers
    notes: Sequence[str]
    loops: Sequence[str]
    date: str = ""
    cpus: int = os.cpu_count() or 1

    @property
    def minor(self) -> tuple[int, ...]:
        """Of the Python, as in (3, 11)."""
        return tuple(map(int, re.findall(r"\d+", self.python)[:2]))

    def with_rows_of(self, later: Run) -> Run:
        """What a later run of the same Python has measured, in the place of what this has."""
        rows = {key: values for key, values in self.numbers.items() if key not in later.numbers}
        notes = list(dict.fromkeys((*self.notes, *later.notes)))
        loops = list(dict.fromkeys((*self.loops, *later.loops)))
        return replace(later, numbers=rows | later.numbers, notes=notes, loops=loops)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "python": self.python,
            "date": self.date or dt.datetime.now(dt.UTC).date().isoformat(),
            "cpus": self.cpus,
            "packages": self.packages,
            "notes": list(self.notes),
            "numbers": [
                {"row": key.row, "metric": key.metric, "loop": key.loop, "values": values}
                for key, values in self.numbers.items()
            ],
        }


def read(path: Path) -> list[Run]:
    """The runs kept in such a file."""
    found = []
    for one in json.loads(path.read_text("utf-8"))["runs"]:
        numbers = {Key(kept["row"], kept["metric"], kept["loop"]): kept["values"] for kept in one["numbers"]}
        loops = list(dict.fromkeys(key.loop for key in numbers))
        found.append(
            Run(one["python"], one["packages"], numbers, one["notes"], loops, date=one["date"], cpus=one["cpus"])
        )
    return found


def version() -> str:
    """Of sigtask."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def versions(exe: str, packages: Sequence[str]) -> dict[str, str]:
    """Those of the packages that are there."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "there = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({name: there[name] for name in sys.argv[1:] if name in there}))"
    )
    done = subprocess.run([exe, "-c", code, *packages], capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def as_json(runs: Sequence[Run]) -> str:
    """The numbers of a release, one run per Python."""
    return json.dumps({"sigtask": version(), "runs": [run.to_dict() for run in runs]}, indent=1) + "\n"


def write(run: Run) -> list[Path]:
    """The page, the plots and the JSON, with the runs of other Pythons that are kept; gives their paths."""
    RESULTS.mkdir(exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    kept = RESULTS / f"{version()}.json"
    runs = {one.minor: one for one in (read(kept) if kept.exists() else ())}
    runs[run.minor] = runs[run.minor].with_rows_of(run) if run.minor in runs else run
    in_order = [runs[minor] for minor in sorted(runs)]
    kept.write_text(as_json(in_order), "utf-8")
    written = [kept]
    for name, picture in pictures(in_order[0].numbers).items():
        path = IMAGES / f"{name}.svg"
        path.write_text(picture, "utf-8")
        written.append(path)
    PAGE.write_text(page(in_order), "utf-8")
    return [PAGE, *written]


# -- plots ------------------------------------------------------------------------------------------------------------


def pictures(numbers: Numbers) -> dict[str, str]:
    """The plots there is something for, by name."""
    found = {
        "bench-tasks": _bars(numbers, "A step and a spawn", "instructions, asyncio's loop", TASKS, 3.0),
        "bench-signals": _bars(numbers, "Telling one task", "instructions from the call to its effect", SIGNALS, 6.0),
        "bench-blocks": _bars(numbers, "Entering and leaving a block", "instructions, asyncio's loop", BLOCKS, 2.0),
        "bench-stop": _lines(numbers),
    }
    return {name: picture for name, picture in found.items() if picture}


def _bars(numbers: Numbers, title: str, subtitle: str, rows: Sequence[Row], most: float) -> str:
    groups = []
    for row in rows:
        key = Key(row.name, "count", "asyncio")
        ratios = [(kind, ratio(numbers, key, kind, key, "stock")) for kind in ORDER[1:]]
        members = [(kind, CONTENDERS[kind].title, of.middle) for kind, of in ratios if of is not None]
        if members:
            groups.append((row.title.replace("`", "").replace(", per child", ""), members))
    return plots.bars(title, f"{subtitle}; ratio to asyncio's own task", groups, most) if groups else ""


def _lines(numbers: Numbers) -> str:
    series = []
    for kind in ORDER:
        points = []
        for size in SIZES:
            if found := numbers.get(Key(f"stop:{size}", "cpu", "asyncio"), {}).get(kind):
                points.append((float(size), statistics.median(found) * 1e6))  # noqa: PERF401  # it would be no shorter
        if points:
            title = "asyncio: cancel, wait" if kind == "stock" else CONTENDERS[kind].title
            series.append((kind, title, points))
    if not series:
        return ""
    axes = ("tasks stopped at once", "microseconds of processor time per task")
    return plots.lines("Stopping many tasks", "from the first signal until all are done; less is better", series, axes)


# -- the page ---------------------------------------------------------------------------------------------------------

HEAD = """# Benchmarks

{intro}

All figures are ratios to stock asyncio's C task in the same run, so they hold for other machines better than seconds
do. Instructions are counted by callgrind and repeat to about 0.1 %. Times are taken in rounds, each contender once per
round in a process of its own; given is the middle ratio of the rounds, with the lowest and the highest. A peer has no
number where it has no such thing. The Python task is what asynkit's `task_interrupt` needs, so its rows a to c are
asynkit's; quattro and aiotools run on stock tasks, so they have no step of their own.

"""

NOTES = (ROOT / "bench" / "notes.md").read_text("utf-8")
"""What is said below the tables."""


def page(runs: Sequence[Run]) -> str:
    """`docs/benchmarks.md`: the goals on each Python, and all rows on the first."""
    run, facts = runs[0], runs[0].to_dict()
    measured = {one.python: one.numbers for one in runs}
    pythons = ", ".join(f"{one.python} ({one.to_dict()['date']})" for one in runs)
    packages = ", ".join(f"{name} {version}" for name, version in run.packages.items())
    intro = (
        "Written by `make bench`: sigtask {version} on CPython {pythons}, {cpus} cores, beside {packages}. "
        "The numbers themselves, round by round, are in `bench/results/{version}.json`."
    ).format(**{**facts, "version": version(), "packages": packages, "pythons": pythons})
    head = HEAD.format(intro=textwrap.fill(intro, 118))
    parts = ["## Goals", "", goal_grid(measured).markdown(), ""]
    ahead = faster_peers(measured)
    parts += ["Rows on which a peer is ahead of sigtask:", "", *[f"- {one}" for one in ahead or ["none"]], ""]
    for name in pictures(run.numbers):
        parts += [f"![{name}](img/{name}.svg)", ""]
    parts += [f"## All rows, on CPython {run.python}", ""]
    for grid in grids(run.numbers, run.loops):
        parts += [grid.markdown(), ""]
    parts += [*(f"- {note}" for note in run.notes)]
    return head + "\n".join(parts).rstrip() + "\n\n" + NOTES


__all__ = ["IDLE", "Run", "as_json", "page", "pictures", "version", "versions", "write"]
