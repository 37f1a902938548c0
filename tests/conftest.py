"""How an `async def test_...` runs: once on each kind of loop, with sigtask installed, and nothing left behind.

    asyncio   asyncio's own loop with a clock that jumps: sleeping costs no time
    eager     the same, with tasks that start at once (Python 3.12)
    uvloop    uvloop, where it is to be had: its clock is real, so tests marked `clock` stay away

`lazy` marks a test about a task that has not started yet, which an eager one always has. A test fails when the loop's
exception handler is told of anything. What many tests do with tasks stands in `tasks.py`, beside this.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest

import sigtask
from sigtask.testing import FakeClockLoop

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tools"))  # whose `pages` reads the programs in the docs


def pytest_configure(config):
    config.addinivalue_line("markers", "clock: needs the clock that jumps")
    config.addinivalue_line("markers", "lazy: is about a task that has not started yet")


def pytest_collection_finish():
    # What was imported stays. A test that calls the collector, as hundreds do, need not go through all that again.
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc):
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("loop_kind")
        metafunc.parametrize("loop_kind", _kinds(metafunc.definition))


def _kinds(test):
    kinds = ["asyncio"]
    if sys.version_info >= (3, 12) and not test.get_closest_marker("lazy"):
        kinds.append("eager")
    if importlib.util.find_spec("uvloop") and not test.get_closest_marker("clock"):
        kinds.append("uvloop")
    return kinds


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = inspect.signature(pyfuncitem.function).parameters
    test = pyfuncitem.function(**{name: pyfuncitem.funcargs[name] for name in names})
    run_test(test, pyfuncitem.callspec.params["loop_kind"])
    return True


def run_test(test, kind):
    complaints = []
    with asyncio.Runner(loop_factory=_uvloop if kind == "uvloop" else FakeClockLoop) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        sigtask.install(loop, eager=kind == "eager")
        try:
            runner.run(test)
        finally:
            for task in asyncio.all_tasks(loop):
                if isinstance(task, sigtask.Task):
                    task.kill("the test is over")
    assert not complaints, complaints


def _uvloop():
    import uvloop

    return uvloop.new_event_loop()
