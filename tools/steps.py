"""Run the steps of a check, a few at a time, and say in a few lines how they went."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from progress import Progress, Work

TIMEOUT = 900.0
"""Seconds after which a step has failed, unless it says otherwise. The slowest of `make test` takes about a third of
this on two cores."""


@dataclass
class Step:
    """One command, and once it has run, how that went."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    lines: int = 1
    """How many of the last lines of its output are shown when it passes."""
    expected: float = 20.0
    """Seconds, more or less: for the estimate of how long all will take."""
    timeout: float = TIMEOUT
    status: int | None = None
    output: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it has run, and exited with 0."""
        return self.status == 0

    def run(self, cwd: Path) -> None:
        """Run it to its end, or to its timeout; nothing it started in its session outlives that."""
        started = time.monotonic()
        process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name == "posix",
        )
        try:
            self.output, _ = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            self.output = process.communicate()[0] + f"\nkilled after {self.timeout:.0f} s\n"
        self.status = process.returncode
        self.seconds = time.monotonic() - started

    def report(self, width: int) -> str:
        """How it went, in a line; before it all of its output when it failed, after it what more of it is wanted."""
        lines = self.output.rstrip().splitlines() or [""]
        verdict, closing = "pass" if self.passed else "FAIL", lines[-1].strip("= ")[:90]
        verdict = f"{verdict}  {self.name:<{width}}  {self.seconds:6.1f} s  {closing}"
        if self.passed:
            return "\n".join([verdict, *lines[-self.lines : -1]])
        return "\n".join(["", f"--- {self.name}: {' '.join(self.command)}", *lines, verdict, ""])

    def lacks(self) -> list[str]:
        """What its tests that were skipped say they need."""
        return re.findall(r"^SKIPPED .*: (needs .*)$", self.output, re.M)


def run_all(steps: list[Step], cwd: Path, *, at_a_time: int = 2) -> bool:
    """Run the steps, print what each has to say as it ends and who failed at the end; whether all passed."""
    started, width = time.monotonic(), max(len(step.name) for step in steps)
    progress = Progress([Work(step.name, step.expected) for step in steps], at_a_time)

    def run(index: int) -> None:
        progress.begin(index)
        steps[index].run(cwd)
        progress.end(index, steps[index].report(width))

    with progress.shown(), ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(run, range(len(steps))))
    for reason in sorted({reason for step in steps for reason in step.lacks()}):
        print(f"Skipped: {reason}")
    failed = [step for step in steps if not step.passed]
    for step in failed:
        print(f"FAIL  {step.name}")
    print(f"{'FAILED' if failed else 'All passed'} in {time.monotonic() - started:.0f} s.", flush=True)
    return not failed


def _kill(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
