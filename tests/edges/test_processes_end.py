"""R30, and the end of a loop: no worker process outlives the process that started it, however that ends."""

from __future__ import annotations

import os
import signal
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")]
JOBS = str(Path(__file__).parent / "jobs")
PATIENCE = 30.0

PROGRAM = """
    import asyncio, os, sys, time
    import process_jobs as jobs
    import sigtask
    from sigtask import Kill, Ladder, Terminate

    async def main():
        task = asyncio.create_task(sigtask.to_process(jobs.{job}, sys.argv[1]))
        await asyncio.sleep(0)
        sys.stdin.readline()     # it is up: the test has read so, and says so
        {then}

    if __name__ == "__main__":
        factory = None
        if {loop!r} == "uvloop":
            import uvloop
            factory = uvloop.new_event_loop
        sigtask.run(main(), ladder=Ladder((Terminate, 0.3), (Kill, 0.3)), loop_factory=factory)
        print("returned", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def start(program, fifo, family):
    """`start(loop, job, lines, then)` runs PROGRAM to where its job has said so many lines; gives the program."""

    def start(loop, job, lines, then):
        code = textwrap.dedent(PROGRAM).format(loop=loop, job=job, then=then)
        started = program(code, fifo.path, path=[JOBS])
        fifo.wait(lines)
        started.stdin.write("go\n")
        started.stdin.flush()
        return started

    return start


def others(family, program):
    """What lives beside the program itself."""
    return [pid for pid in family() if pid != program.pid]


@pytest.mark.parametrize("job", ["hold_the_gil", "loop_in_c", "swallow"])
def test_r30_when_run_returns_no_worker_is_left_whatever_it_is_at(start, family, loop_name, job):
    program = start(loop_name, job, 1, "return")
    assert program.stdout.readline() == "returned\n"
    assert others(family, program) == []
    program.communicate("\n", timeout=PATIENCE)


def test_r30_nor_what_its_function_has_started(start, family, loop_name):
    program = start(loop_name, "hold_the_gil_with_children", 3, "return")
    assert program.stdout.readline() == "returned\n"
    assert others(family, program) == []
    program.communicate("\n", timeout=PATIENCE)


def test_r30_an_idle_worker_ends_with_the_loop(start, family, loop_name):
    program = start(loop_name, "say_and_return", 1, "await task")
    assert program.stdout.readline() == "returned\n"
    assert others(family, program) == []
    program.communicate("\n", timeout=PATIENCE)


def test_r30_when_the_watchdog_ends_the_process_no_worker_is_left(start, family):
    program = start("asyncio", "hold_the_gil_with_children", 3, "time.sleep(600)")
    program.send_signal(signal.SIGTERM)
    errors = program.communicate(timeout=PATIENCE)[1]
    assert program.returncode == 128 + signal.SIGTERM
    assert "watchdog ended it" in errors
    assert family() == []


@pytest.mark.parametrize("job", ["hold_the_gil", "loop_in_c"])
def test_r30_when_the_process_is_killed_the_guard_ends_its_workers(start, family, wait_for_end, job):
    program = start("asyncio", job, 1, "time.sleep(600)")
    program.kill()
    program.communicate(timeout=PATIENCE)
    wait_for_end(family())
    assert family() == []
