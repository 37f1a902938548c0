"""Watching an animal that only the end of the process can end: each signal gets a program of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from . import Animal
from ._watch import Row

RUNGS = ("interrupt", "terminate", "kill")
GRACE = 0.5
PATIENCE = 60.0
PROGRAM = """
import json, sys
from sigtask import Ladder, run
from sigtask.testing.zoo import ZOO

class Observer:
    def rung(self, rung, supervisor): pass
    def tick(self, supervisor): pass
    def over(self, report): print(json.dumps([report.to_dict(), False]), flush=True)
    def forced(self, report, told): print(json.dumps([report.to_dict(), True]), flush=True)

async def main():
    print("ready", flush=True)
    await ZOO[sys.argv[1]].make()

run(main(), ladder=Ladder.parse(sys.argv[2]), observer=Observer())
"""


@dataclass(frozen=True)
class Outcome:
    """How one program ended that got a SIGTERM."""

    status: int
    forced: bool
    task: dict[str, Any]

    def effect(self, rung: str) -> str:
        """What came of the signal."""
        if rung not in self.task["stood"]:
            return "never arrives"
        return str(self.task["ended"])


def watch_program(animal: Animal) -> Row:
    """Each signal is the only rung of a `run()` that gets a SIGTERM; the programs run at the same time."""
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(play, [animal] * len(RUNGS), RUNGS))
    interrupt, terminate, kill = (outcome.effect(rung) for outcome, rung in zip(outcomes, RUNGS, strict=True))
    ways = {f"{'ended by the watchdog' if o.forced else 'ended'}, status {o.status}" for o in outcomes}
    ended = kill if outcomes[-1].task["ended"] != "still running" else "with the process"
    verdict = f"the process is {' or '.join(sorted(ways))}"
    return Row(animal.name, animal.habit, interrupt, terminate, kill, "-", ended, verdict)


def play(animal: Animal, rung: str) -> Outcome:
    """Run it, tell it to stop, and see. Raises: `TimeoutExpired` if it is not gone after a minute."""
    command = [sys.executable, "-c", PROGRAM, animal.name, f"{rung}={GRACE}s"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            program.send_signal(signal.SIGTERM)
            told, errors = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
    if not told:
        raise RuntimeError(f"{animal} ended with {program.returncode} and told nothing:\n{errors}")
    report, forced = json.loads(told.splitlines()[-1])
    return Outcome(program.returncode, forced, report["tasks"][0])
