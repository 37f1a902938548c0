"""How an `async def test_...` runs: once on each kind of loop, with sigtask installed, and nothing left behind.

    asyncio   asyncio's own loop with a clock that jumps: sleeping costs no time
    eager     the same, with tasks that start at once (Python 3.12)
    uvloop    uvloop, where it is to be had: its clock is real, so tests marked `clock` stay away

OS signals are, in here and in what tests start, as in a program that a person starts in a terminal: also where the
tests run as a background job, for which a shell has SIGINT ignored, or under nohup.

`lazy` marks a test about a task that has not started yet, which an eager one always has. A test fails when the loop's
exception handler is told of anything. What many tests do with tasks stands in `tasks.py`, beside this.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import signal
import sys
from pathlib import Path

import pytest

import sigtask
from sigtask.testing import FakeClockLoop

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tools"))  # whose `pages` reads the programs in the docs


def pytest_configure(config):
    as_in_a_terminal()
    config.addinivalue_line("markers", "clock: needs the clock that jumps")
    config.addinivalue_line("markers", "lazy: is about a task that has not started yet")


def as_in_a_terminal():
    """A program inherits what is ignored; what has a handler is the default in it."""
    handlers = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": lambda *_: None}
    for name, handler in handlers.items():
        signum = getattr(signal, name, None)  # Windows has no SIGHUP
        if signum is not None and signal.getsignal(signum) == signal.SIG_IGN:
            signal.signal(signum, handler)


def pytest_collection_finish():
    # What was imported stays. A test that calls the collector, as hundreds do, need not go through all that again.
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc):
    if inspect.iscoroutinefunction(metafunc.function) and not metafunc.definition.get_closest_marker("explore"):
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
    if not inspect.iscoroutinefunction(pyfuncitem.function) or pyfuncitem.get_closest_marker("explore"):
        return None  # the latter is for sigtask's own plugin
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
