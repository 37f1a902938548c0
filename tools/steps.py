"""Run the steps of a check, a few at a time, and say in a few lines how they went."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT = 900.0
"""Seconds after which a step has failed, unless it says otherwise. The slowest of `make test` takes about a third of
this on two cores."""


@dataclass
class Step:
    """One command, and once it has run, how that went."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    lines: int = 3
    """How many of the last lines of its output are shown when it passes."""
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

    def report(self) -> str:
        """Its output: all of it when it failed, the closing lines when it passed."""
        lines = self.output.rstrip().splitlines()
        shown = lines[-self.lines :] if self.passed else lines
        return "\n".join([f"--- {self.name}: {' '.join(self.command)}", *shown, ""])


def run_all(steps: list[Step], cwd: Path, *, at_a_time: int = 2) -> bool:
    """Run the steps, print what each has to say as it ends and a summary at the end; whether all passed."""
    printing = threading.Lock()
    started = time.monotonic()

    def run(step: Step) -> None:
        step.run(cwd)
        with printing:
            print(step.report(), flush=True)

    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(run, steps))
    width = max(len(step.name) for step in steps)
    print("Summary")
    for step in steps:
        closing = step.output.rstrip().rpartition("\n")[2].strip("= ")
        print(f"  {'pass' if step.passed else 'FAIL'}  {step.name:<{width}}  {step.seconds:6.1f} s  {closing[:90]}")
    passed = all(step.passed for step in steps)
    print(f"{'All passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s.", flush=True)
    return passed


def _kill(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
