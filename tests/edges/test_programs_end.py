"""R30, and the end of a loop: no child program and no worker outlives the process that started it, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import sigtask
from sigtask import Kill, Ladder, Terminate, run, run_process

pytestmark = [pytest.mark.os, pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")]
SRC = os.path.dirname(os.path.dirname(sigtask.__file__))
PATIENCE = 20.0

WORST = """
    import os, signal, time
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    if os.fork() == 0:          # a grandchild in the group
        if os.fork() == 0:      # and one in a session of its own, whose parent is gone
            if os.fork():
                os._exit(0)
            os.setsid()
    else:
        os.fork()
    os.write(2, b"up %d\\n" % os.getpid())
    while True:
        time.sleep(60)
"""
"""Four processes that ignore everything but SIGKILL, one of them outside the group."""

PROGRAM = """
    import asyncio, faulthandler, os, sys, time
    import sigtask
    from sigtask import Kill, Ladder, Terminate

    async def main():
        worst = [sys.executable, "-I", "-S", "-c", WORST]
        task = asyncio.create_task(sigtask.run_process(worst, stderr=None))
        await asyncio.sleep(0)
        sys.stdin.readline()     # it is up: the test has read so, and says so
        {then}

    factory = None
    if {loop!r} == "uvloop":
        import uvloop
        factory = uvloop.new_event_loop
    sigtask.run(main(), ladder=Ladder((Terminate, 0.3), (Kill, 0.3)), loop_factory=factory)
    print("returned", flush=True)
    {after}
"""


@pytest.fixture
def start(program):
    """`start(loop, then, after)` runs PROGRAM to where its child's four processes are up; gives it and their pids."""

    def start(loop, then, after="pass"):
        code = textwrap.dedent(PROGRAM).format(loop=loop, then=then, after=after)
        started = program(f"WORST = {textwrap.dedent(WORST)!r}\n{code}")
        pids = []
        while len(pids) < 4:
            line = started.stderr.readline()
            assert line, "the program has ended"
            if line.startswith("up "):  # else asyncio's debugging, of a slow turn
                pids.append(int(line.split()[1]))
        started.stdin.write("go\n")
        started.stdin.flush()
        return started, pids

    return start


def lives(pid):
    """Whether it is there and not a zombie that only pid 1 can collect."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    """The children of a process, zombies too."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def test_the_worst_is_what_it_claims(start):
    program, pids = start("asyncio", "await task")
    assert len({os.getpgid(pid) for pid in pids}) == 2
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert all(lives(pid) for pid in pids)
    program.kill()


def test_r30_when_run_returns_nothing_of_the_worst_child_is_left(start, loop_name):
    """Not even a zombie: those below us that lose their parents by the Kill are collected here."""
    program, pids = start(loop_name, "return", after="sys.stdin.readline()")
    assert program.stdout.readline() == "returned\n"
    assert not any(lives(pid) for pid in pids)
    assert children(program.pid) == []
    program.communicate("\n", timeout=PATIENCE)


def test_r30_a_sigterm_to_the_program_ends_the_worst_child_within_the_ladder(start, loop_name):
    program, pids = start(loop_name, "await task")
    began = time.monotonic()
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=PATIENCE)
    assert program.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - began < 10
    assert not any(lives(pid) for pid in pids)


def test_r30_when_the_watchdog_ends_the_process_nothing_is_left(start):
    program, pids = start("asyncio", "time.sleep(600)")
    program.send_signal(signal.SIGTERM)
    errors = program.communicate(timeout=PATIENCE)[1]
    assert program.returncode == 128 + signal.SIGTERM
    assert "watchdog ended it" in errors
    assert not any(lives(pid) for pid in pids)


DEATHS = {
    "sigkill": ("os.kill(os.getpid(), 9)", -signal.SIGKILL),
    "os._exit": ("os._exit(3)", 3),
    "faulthandler": (
        "faulthandler.dump_traceback_later(0.1, exit=True, file=open(os.devnull, 'w')); time.sleep(60)",
        1,
    ),
    "segfault": ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
}


@pytest.mark.parametrize("death", DEATHS)
def test_r30_when_the_process_dies_at_once_the_guard_ends_what_is_left(start, wait_for_end, death):
    code, status = DEATHS[death]
    program, pids = start("asyncio", code)
    program.wait(PATIENCE)
    assert program.returncode == status
    wait_for_end(pids)
    assert not any(lives(pid) for pid in pids)


@pytest.mark.parametrize("how", ["sys.exit()", "raise RuntimeError"])
def test_r30_a_loop_that_is_never_closed_leaves_nothing_at_exit(how, family):
    code = f"""
import asyncio, sys
import sigtask
async def main():
    asyncio.ensure_future(sigtask.run_process(["sleep", "600"]))
    await asyncio.sleep(0)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
{how}
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SRC}, stderr=-3, timeout=PATIENCE)
    assert family() == []


def test_a_fork_of_the_process_does_not_end_the_children_of_its_parent(on_loop, ready, py):
    """The fork's own end is no reason for the guard, and it knows nothing of the children."""

    async def main():
        code = "import os, time; os.write(2, b'up\\n'); time.sleep(600)"
        task = asyncio.create_task(run_process(py(code), stderr=ready.fd))
        await ready.lines()
        forked = subprocess.run(  # a fork with the interpreter's own atexit, in a process where no thread runs
            [sys.executable, "-c", FORKS], env={**os.environ, "PYTHONPATH": SRC}, capture_output=True, timeout=PATIENCE
        )
        assert forked.stdout == b"child of a fork ended\nstill there\n", forked
        assert not task.done()
        task.kill()
        await asyncio.wait([task])

    on_loop(main)


FORKS = """
import asyncio, os, sys
import sigtask
async def main():
    async with sigtask.open_process(["cat"]) as program:
        if os.fork() == 0:
            import atexit
            atexit._run_exitfuncs()
            print("child of a fork ended", flush=True)
            os._exit(0)
        os.wait()
        await program.stdin.write(b"still there\\n")
        print((await program.stdout.read()).decode(), end="")
asyncio.run(main())
"""


def test_the_guard_is_gone_when_the_loop_is(on_loop, no_child_left):
    async def main():
        await run_process(["true"])

    on_loop(main)


def test_a_program_under_run_that_ends_with_children_at_work_ends_them(no_child_left, family):
    async def main():
        task = asyncio.create_task(run_process(["sleep", "600"]))
        await asyncio.sleep(0)
        return task

    task = run(main(), ladder=Ladder((Terminate, 5), Kill))
    assert isinstance(task.ended_by, Terminate)
    assert family() == []
