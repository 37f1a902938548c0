"""No late hit: a signal sent at the moment at which a function in a thread ends. `make stress` has the full count."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.os
def test_a_signal_that_races_with_the_functions_end_hits_nothing_afterwards(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE.parents[1] / "src"))
    command = [sys.executable, str(HERE / "stress_threads.py"), "--races", "1000", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^ +([0-9]+) ((?:ended|returned) .+)$", done.stdout.replace(",", ""), re.M)
    ended = {how: int(count) for count, how in lines}
    assert sum(ended.values()) == 1000, done.stdout
    assert {"ended by the signal", "ended by the plain cancel"} <= ended.keys(), done.stdout
