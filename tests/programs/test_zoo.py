"""The animals that hold the thread or the process: under `run()` the process is gone in time (R20, R30)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sigtask.testing.zoo import ZOO

pytestmark = pytest.mark.os

ROOT = Path(__file__).resolve().parents[2]
HOLDERS = [animal for animal in ZOO.values() if animal.reach == "run"]
CROWDS = ("deep_coroutines", "deep_tasks", "gathers_a_crowd")
TOTAL = 0.6
PROGRAM = """
import sys
from sigtask import Ladder, run
from sigtask.testing.zoo import ZOO

async def main():
    print("ready", flush=True)
    await ZOO[sys.argv[1]].make()

run(main(), ladder=Ladder.parse("interrupt=200ms,terminate=200ms,kill=200ms"))
"""


def alive_in_session(sid):
    """The processes that /proc shows in a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if int(fields[3]) == sid:
            found.append(entry.parent.name)
    return found


@pytest.mark.parametrize("animal", HOLDERS, ids=str)
def test_r30_the_process_is_gone_in_the_ladders_time_and_nothing_is_left(animal, a_second):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", PROGRAM, animal.name]
    pipe = subprocess.PIPE
    program = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        assert program.stdout.readline() == "ready\n"
        began = time.monotonic()
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=30)
        seconds = time.monotonic() - began
    finally:
        program.kill()
        program.wait()
    assert program.returncode == 143, errors
    assert seconds < TOTAL + a_second
    assert "_holders.py" in errors or "endless" in errors  # the stacks say what held it
    if Path("/proc/self/stat").exists():
        assert alive_in_session(program.pid) == []


def test_the_page_is_what_the_command_prints():
    """But for the rows of the crowds, which take their time; tests/stop/test_zoo.py looks at those."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    environment.pop("PYTHONDEVMODE", None)
    environment.pop("PYTHONASYNCIODEBUG", None)  # it would tell of every slow callback, and the page knows none
    names = [name for name in ZOO if name not in CROWDS]
    command = [sys.executable, "-W", "error", "-m", "sigtask.testing.zoo", *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    page = (ROOT / "docs" / "zoo.md").read_text("utf-8").splitlines()
    expected = [line for line in page if not line.startswith(tuple(f"| {name} |" for name in CROWDS))]
    assert len(page) == len(expected) + len(CROWDS)
    assert done.stdout.splitlines() == expected, "make it anew: python -m sigtask.testing.zoo --write docs/zoo.md"
