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
        tasks = [create_task(waits(), name=f"job {number}") for number in range(20_000)]
        await asyncio.sleep(0)
        print("ready")
        time.sleep(1000)

    asyncio.run(main())
"""


@pytest.mark.parametrize("name", ["stop.html", "stop.json"])
def test_of_20_000_tasks_in_a_blocked_loop_there_are_last_words_and_stacks_and_a_report(tmp_path, name):
    (tmp_path / "app.py").write_text(textwrap.dedent(MANY), "utf-8")
    options = ["--ladder", "terminate=200ms,kill=200ms", "--report", name]
    command = [sys.executable, "-m", "sigtask", "run", *options, "app.py"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None and popen.stdout.readline() == "ready\n"
        popen.send_signal(signal.SIGTERM)
        _, errors = popen.communicate(timeout=30)
    assert popen.returncode == 143
    assert "20001 still running of 20001 tasks" in errors and "the watchdog ended it" in errors
    assert 'app.py", line 12 in main' in errors
    text = (tmp_path / name).read_text("utf-8")
    assert text.endswith(("</html>\n", "}\n")) and "app.py:12 in main" in text


def test_the_one_that_hangs_can_be_killed_while_the_program_is_being_stopped(program, sigtask):
    running = program(REFUSES, "--ladder", "terminate=20s,kill")
    running.popen.send_signal(signal.SIGTERM)
    running.wait_for("refused")
    (row,) = (one for one in json.loads(sigtask("ps", running.pid, "--json").stdout) if one["name"].startswith("bad"))
    assert "sent" in sigtask("kill", "--kill", running.pid, row["id"], "--reason", "it hangs").stdout
    assert running.wait() == -signal.SIGTERM
