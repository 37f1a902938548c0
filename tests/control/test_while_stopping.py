"""What is said while a program is being stopped, and what of it can be seen from outside."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click")
pytestmark = [pytest.mark.os, pytest.mark.skipif(os.name != "posix", reason="Unix sockets")]
REFUSES = """
    import asyncio
    from sigtask import Terminate, create_task

    async def refuses():
        while True:
            try:
                await asyncio.sleep(1000)
            except Terminate:
                print("refused")

    async def main():
        task = create_task(refuses(), name="bad\\x1b[2J\\x1b]0;owned\\x07\\u202ename")
        await asyncio.sleep(0)
        print("ready")
        await task

    asyncio.run(main())
"""


def test_control_characters_in_a_report_and_in_its_lines_are_shown_and_not_obeyed(tmp_path):
    import textwrap

    file = tmp_path / "app.py"
    file.write_text(textwrap.dedent(REFUSES), "utf-8")
    command = [sys.executable, "-m", "sigtask", "run", "--ladder", "terminate=300ms,kill", str(file)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None and popen.stdout.readline() == "ready\n"
        popen.send_signal(signal.SIGTERM)
        _, errors = popen.communicate(timeout=30)
    assert "bad\\x1b[2J\\x1b]0;owned\\x07\\u202ename" in errors
    assert errors.replace("\n", "").isprintable()


def test_ps_says_how_far_the_stop_is_and_whom_it_waits_for(program, sigtask):
    running = program(REFUSES, "--ladder", "terminate=20s,kill")
    running.popen.send_signal(signal.SIGTERM)
    running.wait_for("refused")
    head, stop, waits, *_ = sigtask("ps", running.pid).stdout.splitlines()
    assert stop.startswith("SIGTERM  terminate") and ", then kill  (" in stop
    assert waits.startswith("waiting for bad\\x1b[2J")
    assert "(being stopped)" in sigtask("ps").stdout


def test_the_one_that_hangs_can_be_killed_while_the_program_is_being_stopped(program, sigtask):
    running = program(REFUSES, "--ladder", "terminate=20s,kill")
    running.popen.send_signal(signal.SIGTERM)
    running.wait_for("refused")
    (row,) = (one for one in json.loads(sigtask("ps", running.pid, "--json").stdout) if one["name"].startswith("bad"))
    assert "sent" in sigtask("kill", "--kill", running.pid, row["id"], "--reason", "it hangs").stdout
    assert running.wait() == -signal.SIGTERM
