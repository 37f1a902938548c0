"""Running the measured process (`worker.py`), and what its numbers are worth: counts, times, bytes, ratios.

Instructions are counted by callgrind, which gives the same answer on a busy machine as on an idle one. Times are taken
in rounds: in each, every contender runs once, in a process of its own, in another order than the round before; a ratio
is of two numbers of one round, and what is given is the middle one with the lowest and the highest. pyperf was looked
at for this, and does something else: it runs one benchmark's processes all in a row, and compares two of them
afterwards. On a machine whose speed wanders by a tenth from minute to minute, that is what it would compare.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "bench" / "worker.py"
TIMEOUT = 900.0

Values = dict[str, float]


class Failed(Exception):
    """The measured process failed; its words are in here."""


def valgrind() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None


NO_VALGRIND = "valgrind is not installed (a Debian package of that name): no instructions are counted."


class TimedOut(Failed):
    """It was not done in `TIMEOUT` seconds; what it would have measured is not known."""


@dataclass(frozen=True)
class Program:
    """A Python that runs workloads."""

    exe: str
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def measure(self, mode: str, kind: str, loop: str, jobs: Sequence[str]) -> Values:
        """What these jobs (`name:n` or `name:n:rounds`) take per one of n; what the contender cannot do is not there.

        Raises: `Failed` when the process did.
        """
        if mode == "count":
            return self._count(kind, loop, jobs)
        found = self._run((), mode, kind, loop, jobs)
        return {name: value for name, value in found.items() if value is not None}

    def _count(self, kind: str, loop: str, jobs: Sequence[str]) -> Values:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "dump"
            tool = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getppid")
            found = self._run(tool, "count", kind, loop, jobs)
            done = [job for job in jobs if found[job.split(":")[0]] is not None]
            counts: Values = {}
            # Dump 1 is of all that went before the first section, 2 of the section, 3 of what lies between, and so on.
            for index, job in enumerate(done):
                name, n = job.split(":")[:2]
                counts[name] = _total(out.with_name(f"dump.{2 * index + 2}")) / int(n)
            return counts

    def _run(
        self, before: tuple[str, ...], mode: str, kind: str, loop: str, jobs: Sequence[str]
    ) -> dict[str, float | None]:
        found: dict[str, float | None] = json.loads(self.says(str(WORKER), mode, kind, loop, *jobs, before=before))
        return found

    def says(self, *words: str, before: tuple[str, ...] = ()) -> str:
        """What it prints, run with these words. Raises: `Failed` when it did."""
        command = [*before, self.exe, *self.options, *words]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0", **self.env}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env.pop("PYTHONASYNCIODEBUG", None)
        told = " ".join(words).replace(f"{ROOT}{os.sep}", "")  # it may be printed: nobody wants to read where this is
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{told} was not done in {TIMEOUT:.0f} s") from None
        if done.returncode:
            raise Failed(f"{told} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def _total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)", dump.read_text("utf-8") if dump.exists() else "", re.M)
    if found is None:
        raise Failed("callgrind did not count from one getppid() to the next; has this libc another name for it?")
    return int(found[1])


@dataclass(frozen=True)
class Ratio:
    """How many times as much: the middle of what the rounds say, with the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
        """Of numbers in pairs, each pair from one round."""
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.middle:.3f}"
        return f"{self.middle:.3f} ({self.low:.2f} to {self.high:.2f})"
