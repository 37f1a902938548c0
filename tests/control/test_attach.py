"""`sigtask attach`: a socket for a program that was started without one (PEP 768, Python 3.14)."""

import os
import sys

import pytest

pytest.importorskip("click")
pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform != "linux", reason="tried on Linux")]
can_attach = pytest.mark.skipif(not hasattr(sys, "remote_exec"), reason="Python 3.14")
TURNS = """
    import asyncio

    async def main():
        asyncio.create_task(asyncio.sleep(1000), name="worker")
        print("ready")
        while True:
            await asyncio.sleep(0.05)

    asyncio.run(main())
"""
SLEEPS = TURNS.replace("asyncio.sleep(0.05)", "asyncio.sleep(1000)")


@can_attach
def test_a_program_without_a_socket_gets_one_and_can_be_looked_at_and_steered(program, sigtask, until):
    running = program(TURNS, command=())
    done = sigtask("attach", running.pid)
    if "may not be debugged" in done.stderr:
        pytest.skip("this system does not let one process debug another")
    assert done.returncode == 0 and f"process {running.pid} has a control socket now" in done.stdout, done.stderr
    assert "worker (sleep)" in sigtask("ps", running.pid).stdout
    assert sigtask("kill", running.pid, "worker").returncode == 0
    until(lambda: "worker" not in sigtask("ps", running.pid).stdout)


@can_attach
def test_a_loop_that_sleeps_is_woken(program, sigtask):
    running = program(SLEEPS, command=())
    done = sigtask("attach", "--wake", running.pid)
    if "may not be debugged" in done.stderr:
        pytest.skip("this system does not let one process debug another")
    assert done.returncode == 0, done.stderr
    assert "worker (sleep)" in sigtask("ps", running.pid).stdout


def test_a_program_that_has_a_socket_is_left_alone(program, sigtask):
    running = program(TURNS)
    assert f"process {running.pid} has a control socket already" in sigtask("attach", running.pid).stdout


@pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="up to Python 3.13")
def test_an_older_python_says_what_it_takes(sigtask):
    done = sigtask("attach", os.getpid())
    assert done.returncode == 1 and "attaching needs Python 3.14 or later" in done.stderr


def test_a_process_that_is_not_there_is_said_to_be(sigtask):
    assert "there is no process" in sigtask("attach", 2**22 + 5).stderr
