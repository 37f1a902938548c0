"""The example that wraps a real long-running program keeps what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.os
@pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync (on Debian: apt install rsync)")
def test_rsync_is_stopped_halfway_at_each_rung_and_then_finishes():
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = ROOT / "examples" / "copying.py"
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = done.stdout.split("--- ")[1:]
    assert [part.split(" ---")[0] for part in parts] == ["interrupt", "terminate", "kill", "left alone"]
    for part, ended in zip(parts, ["ended by Interrupt", "ended by Terminate", "ended by Kill"], strict=False):
        assert f"1 {ended}" in part, part
        copied, size = (int(word) for word in part.split("the copy has ")[1].split() if word.strip(".").isdecimal())
        assert 0 < copied < size
    # Its status for a signal. What it says depends on which of its three processes is the first to speak.
    assert all("rsync ended with status 20; it said: rsync error: received SIG" in part for part in parts[:2])
    assert "the copy is whole; processes left behind: 0" in parts[3]
