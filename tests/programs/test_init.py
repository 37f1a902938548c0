"""`sigtask run --init`: process 1 of a container passes signals on, reaps orphans, and ends as the program does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces of PIDs")]

NEW_PIDS = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PROGRAM = """
import asyncio, os, signal, subprocess, sys
async def main():
    loop = asyncio.get_running_loop()
    for name in ("SIGUSR1", "SIGHUP"):
        loop.add_signal_handler(getattr(signal, name), print, "got", name)
    for n in range(int(os.environ.get("ORPHANS", 0))):
        subprocess.run(["sh", "-c", "sleep 0.1 &"])
    print("ready", os.getpid(), os.getppid(), flush=True)
    try:
        await asyncio.sleep(1000)
    finally:
        print("cleanup", flush=True)
if len(sys.argv) > 1:
    exec(sys.argv[1])
asyncio.run(main())
"""


@pytest.fixture
def as_pid_1(start, write):
    """`as_pid_1(*args)`: the program above under `sigtask run --init` as PID 1, in a namespace."""
    if not shutil.which("unshare") or subprocess.run([*NEW_PIDS, "true"], capture_output=True).returncode:
        pytest.skip("unshare --pid is not allowed here")

    def as_pid_1(*args, options=("-q", "--init"), **env):
        words = [*NEW_PIDS, sys.executable, "-m", "sigtask", "run", *options, str(write("program.py", PROGRAM)), *args]
        return start("-c", f"import os; os.execvp('unshare', {words!r})", env=env)

    return as_pid_1


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def zombies_below(pid):
    """How many of its children have ended, and have not been reaped."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z" for child in children)


def test_the_program_runs_in_a_child_and_a_sigterm_is_passed_on(as_pid_1):
    program = as_pid_1().wait_for("ready 2 1")
    os.kill(child_of(program.popen.pid), signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM
    assert program.stdout.splitlines()[1:] == ["cleanup"]


def test_other_signals_are_passed_on_too(as_pid_1):
    program = as_pid_1().wait_for("ready")
    for name in ("SIGUSR1", "SIGHUP"):
        os.kill(child_of(program.popen.pid), getattr(signal, name))
        program.wait_for(f"got {name}")
    os.kill(child_of(program.popen.pid), signal.SIGINT)
    assert program.wait() == 128 + signal.SIGINT


@pytest.mark.parametrize(("code", "status"), [("sys.exit(7)", 7), ("sys.exit()", 0), ("os.kill(os.getpid(), 9)", 137)])
def test_it_ends_as_the_program_ends(as_pid_1, code, status):
    assert as_pid_1(code).wait() == status


def test_orphans_are_reaped(as_pid_1):
    program = as_pid_1(ORPHANS="20").wait_for("ready")
    init = child_of(program.popen.pid)
    until = time.monotonic() + 30
    while len(Path(f"/proc/{init}/task/{init}/children").read_text().split()) > 1:  # the program itself
        assert time.monotonic() < until, f"{zombies_below(init)} zombies are left"
    os.kill(init, signal.SIGTERM)
    program.wait()


def test_without_it_the_program_is_process_1_itself(as_pid_1):
    program = as_pid_1(options=("-q",)).wait_for("ready 1 0")
    os.kill(child_of(program.popen.pid), signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_where_it_is_not_process_1_it_dies_of_the_signal_as_the_program_does(start, write, signum):
    program = start("-m", "sigtask", "run", "-q", "--init", write("program.py", PROGRAM)).wait_for("ready")
    program.signal(signum)
    assert program.wait() == -signum
    assert "cleanup" in program.stdout
