"""nest_asyncio puts a task written in Python in the place of `asyncio.Task`, before sigtask is imported or after."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = [
    pytest.mark.os,  # what it does to asyncio is for ever: each test has a process of its own
    pytest.mark.skipif(importlib.util.find_spec("nest_asyncio") is None, reason="nest_asyncio is not installed"),
]
ORDERS = {
    "sigtask first": "import sigtask, nest_asyncio; nest_asyncio.apply()",
    "nest_asyncio first": "import nest_asyncio; nest_asyncio.apply(); import sigtask",
}
HEAD = """
import asyncio
from asyncio import Event, create_task, get_running_loop

async def waits():
    await Event().wait()
"""


@pytest.fixture(params=ORDERS)
def lines(request):
    """Runs a program in that order of imports; gives the lines it printed."""

    def run(program):
        program = "\n".join([ORDERS[request.param], HEAD, textwrap.dedent(program), "asyncio.run(main())"])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_stop_takes_our_tasks(lines):
    assert lines("""
        async def main():
            sigtask.install()
            tasks = [create_task(waits()) for _ in range(3)] + [sigtask.create_task(waits())]
            await asyncio.sleep(0)
            report = await sigtask.stop(*tasks, reason="why")
            print(len(report.tasks), *{type(task.ended_by).__name__ for task in tasks})
    """) == ["4 Terminate"]


def test_stop_takes_the_tasks_that_are_asyncios_now(lines):
    assert lines("""
        async def main():
            task = create_task(waits())
            await asyncio.sleep(0)
            await sigtask.stop(task)
            print(isinstance(task, sigtask.Task), task.cancelled())
    """) == ["False True"]


def test_signals_and_blocks_do_what_they_do(lines):
    assert lines("""
        async def worker():
            with sigtask.mask(sigtask.Terminate):
                await asyncio.sleep(0)
                print(sigtask.requested(sigtask.Terminate).reason)
            try:
                await waits()
            finally:
                print("cleaned up")

        async def main():
            sigtask.install()
            task = create_task(worker())
            await asyncio.sleep(0)
            task.terminate("why")
            await asyncio.wait([task])
            print(task.ended_by.reason)
    """) == ["why", "cleaned up", "why"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="nest_asyncio knows only tasks in Python there: see the limits")
def test_a_loop_that_turns_inside_one_of_our_tasks_ends_others(lines):
    assert lines("""
        async def stops(task):
            task.terminate("why")
            await asyncio.wait([task])

        async def nests():
            task = create_task(waits())
            await asyncio.sleep(0)
            get_running_loop().run_until_complete(stops(task))
            print(task.ended_by.reason)

        async def main():
            sigtask.install()
            await create_task(nests())
    """) == ["why"]
