"""What is said while a program is being stopped, and what of it can be seen from outside."""

import json
import os
import signal
import subprocess
import sys
import textwrap
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


MANY = """
    import asyncio, time
    from sigtask import create_task

    async def waits():
        await asyncio.sleep(1000)

    async def main():
        tasks = [create_task(waits(), name=f"job {number}") for number in range(5_000)]
        await asyncio.sleep(0)
        print("ready")
        time.sleep(1000)

    asyncio.run(main())
"""


def ended_by_force(tmp_path, code, report):
    """What a program that blocks its loop says on stderr at its end."""
    (tmp_path / "app.py").write_text(textwrap.dedent(code), "utf-8")
    options = ["--ladder", "terminate=200ms,kill=200ms", "--report", report]
    command = [sys.executable, "-m", "sigtask", "run", *options, "app.py"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None and popen.stdout.readline() == "ready\n"
        popen.send_signal(signal.SIGTERM)
        _, errors = popen.communicate(timeout=30)
    assert popen.returncode == 143
    return errors


def test_of_5_000_tasks_in_a_blocked_loop_there_are_last_words_and_a_report(tmp_path):
    errors = ended_by_force(tmp_path, MANY, "stop.html")
    assert "5001 still running of 5001 tasks" in errors and "the watchdog ended it" in errors
    page = (tmp_path / "stop.html").read_text("utf-8")
    assert page.endswith("</html>\n") and "app.py:12 in main" in page


def test_a_report_that_cannot_be_written_in_time_costs_no_last_words(tmp_path):
    os.mkfifo(tmp_path / "stop.html")  # whoever opens it waits for a reader
    errors = ended_by_force(tmp_path, MANY.replace("5_000", "10"), "stop.html")
    assert "11 still running of 11 tasks" in errors and "the watchdog ended it" in errors


def test_the_one_that_hangs_can_be_killed_while_the_program_is_being_stopped(program, sigtask):
    running = program(REFUSES, "--ladder", "terminate=20s,kill")
    running.popen.send_signal(signal.SIGTERM)
    running.wait_for("refused")
    (row,) = (one for one in json.loads(sigtask("ps", running.pid, "--json").stdout) if one["name"].startswith("bad"))
    assert "sent" in sigtask("kill", "--kill", running.pid, row["id"], "--reason", "it hangs").stdout
    assert running.wait() == -signal.SIGTERM
