"""The pytest plugin, active wherever sigtask is installed: the marker `explore`, and fixtures.

A marked test is explored as by `sigtask.testing.explore`::

    @pytest.mark.explore(setup=make_bank, check=is_balanced)
    async def test_transfer(explored):  # what `setup` returned
        await explored.transfer(10)

Runs that have failed are tried first the next time. Under pytest-xdist, the workers tell the controller, which stores
them.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import re
import unittest
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import FakeClockLoop

if TYPE_CHECKING:
    from ._explore.exploration import Exploration

_KEPT = "sigtask/explore"
_PROPERTY = "sigtask.explore"
_MARK = (
    "explore(setup=None, check=None, signals=..., pairs=False, late=False, tasks='all', limit=None, reuse=True, "
    "ends=True, ignore=(), real_time=False): send the async test a signal at each of its awaits in turn; the options "
    "are those of sigtask.testing.explore"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be said on the command line."""
    group = parser.getgroup("sigtask", "signals at every await (sigtask)")
    group.addoption("--explore-only", metavar="TOKEN", help="of each explored test do only the run of this token")
    group.addoption("--explore-limit", metavar="N", type=int, help="at most so many runs of each explored test")
    group.addoption("--explore-html", metavar="DIR", help="write a page for each explored test into this directory")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and begin to count."""
    config.addinivalue_line("markers", _MARK)
    folder = config.getoption("--explore-html", None)
    if folder is not None and Path(folder).is_file():
        raise pytest.UsageError(f"--explore-html: {folder} is a file; name a directory")
    config.stash[_TOTALS] = _Totals(config)


@pytest.fixture
def explored() -> object:
    """In a test marked `explore`: what its `setup` returned, new for each run. `None` without a `setup`.

    .. versionadded:: 0.2.0
    """
    return None


@pytest.fixture
def sigtask_loop() -> None:
    """Run an async test in a sigtask task, on a loop that makes sigtask's tasks, whichever plugin runs the test.

    .. versionadded:: 0.2.0
    """


@pytest.fixture
def fake_clock_loop() -> Iterator[FakeClockLoop]:
    """A `FakeClockLoop` that makes sigtask's tasks, for tests that are not async: call its `run_until_complete()`.

    .. versionadded:: 0.2.0
    """
    from .._core.factory import install

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        loop = runner.get_loop()
        install(loop)
        assert isinstance(loop, FakeClockLoop)
        yield loop


@pytest.fixture
def sigtask_zoo() -> Any:
    """`sigtask.testing.zoo.ZOO`: tasks that resist being stopped, by name.

    .. versionadded:: 0.2.0
    """
    from .zoo import ZOO

    return ZOO


# -- an explored test -------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a test that is marked so; leave all others to whoever runs them."""
    marker = pyfuncitem.get_closest_marker("explore")
    if marker is None:
        return None
    function = inspect.unwrap(pyfuncitem.obj)  # pytest-asyncio in its auto mode has made a function of it
    if not inspect.iscoroutinefunction(function):
        pytest.fail(f"@pytest.mark.explore needs an async test, and {pyfuncitem.name} is none", pytrace=False)
    if marker.args:
        pytest.fail("@pytest.mark.explore takes its options by name, as sigtask.testing.explore does", pytrace=False)
    exploration = _explore(pyfuncitem, function, marker.kwargs)
    _keep(pyfuncitem, exploration)
    if not exploration:
        pytest.fail(f"{exploration}\n{_how_to_repeat(pyfuncitem, exploration)}", pytrace=False)
    return True


def _explore(item: pytest.Function, function: Callable[..., Any], options: Mapping[str, Any]) -> Exploration:
    from . import explore

    names = [name for name in inspect.signature(function).parameters if name in item.funcargs]
    given = {name: item.funcargs[name] for name in names}
    bound = function.__get__(item.instance) if item.instance is not None and _is_method(item) else function
    setup = options.get("setup")

    @functools.wraps(function)
    async def operation(*state: Any) -> Any:
        if state and "explored" in given:
            return await bound(**{**given, "explored": state[0]})
        return await bound(**given)

    if setup is not None and "explored" not in given:
        words = f"{item.name} has a setup, and asks for nothing of it: give it a parameter `explored`"
        pytest.fail(words, pytrace=False)
    chosen: dict[str, Any] = {"only": item.config.getoption("--explore-only"), "first": _kept(item), **options}
    if (limit := item.config.getoption("--explore-limit")) is not None:
        chosen["limit"] = limit
    try:
        return explore(operation, **chosen)
    except RuntimeError as error:
        if error.__cause__ is not None:  # the test fails, or skips itself, without any signal: as any test does
            raise _without_the_kits_frames(error.__cause__) from None
        words = str(error)
    except AssertionError as error:
        words = str(error)
    except (TypeError, ValueError) as error:
        words = f"@pytest.mark.explore: {error}"
    pytest.fail(words, pytrace=False)


def _without_the_kits_frames(error: BaseException) -> BaseException:
    from ._explore.watching import is_the_kits

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and is_the_kits(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _is_method(item: pytest.Function) -> bool:
    if item.cls is None:
        return False
    return not isinstance(inspect.getattr_static(item.cls, item.originalname, None), staticmethod)


def _how_to_repeat(item: pytest.Item, exploration: Exploration) -> str:
    if not exploration.failures:
        return ""
    return f'repeat one:  pytest "{item.nodeid}" --explore-only "{exploration.failures[0].token}"'


# -- what is kept -----------------------------------------------------------------------------------------------------


class _Totals:
    """What was explored in this session, by whichever process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.tests = self.runs = self.points = self.failed = 0
        self.tokens: dict[str, list[str]] = {}

    @property
    def kept(self) -> dict[str, list[str]]:
        """The tokens that have failed the last time, by test."""
        cache = getattr(self.config, "cache", None)
        found = None if cache is None else cache.get(_KEPT, None)
        return found if isinstance(found, dict) else {}

    def write(self) -> None:
        """Keep those of this time, and of the last time for tests that were not run."""
        cache = getattr(self.config, "cache", None)
        if cache is None or hasattr(self.config, "workerinput") or not self.tests:
            return
        cache.set(_KEPT, {test: tokens for test, tokens in {**self.kept, **self.tokens}.items() if tokens})


_TOTALS = pytest.StashKey[_Totals]()


def _kept(item: pytest.Item) -> list[str]:
    from ._explore.plan import parse

    def is_token(text: object) -> bool:
        try:
            return bool(parse(str(text), ()))
        except ValueError:  # of an older version, or of a signal that the test no longer sends
            return False

    return [token for token in item.config.stash[_TOTALS].kept.get(item.nodeid, []) if is_token(token)]


def _keep(item: pytest.Function, exploration: Exploration) -> None:
    told = {
        "runs": exploration.runs,
        "points": len(exploration.points),
        "tokens": [one.token for one in exploration.failures],
    }
    item.user_properties.append((_PROPERTY, json.dumps(told)))
    if (folder := item.config.getoption("--explore-html")) is not None:
        path = Path(folder) / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', item.nodeid)}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        exploration.write_html(path)


class _Reports:
    """Hears of each report: here, and from the workers."""

    def __init__(self, totals: _Totals) -> None:
        self.totals = totals

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what a test has told."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                told = json.loads(str(value))
                self.totals.tests += 1
                self.totals.runs += told["runs"]
                self.totals.points += told["points"]
                self.totals.failed += len(told["tokens"])
                self.totals.tokens[report.nodeid] = told["tokens"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to listen."""
    session.config.pluginmanager.register(_Reports(session.config.stash[_TOTALS]), "sigtask-reports")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what has failed."""
    session.config.stash[_TOTALS].write()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in one line what was explored."""
    totals = config.stash[_TOTALS]
    if totals.tests:
        from ..report import counted

        tests, points = counted(totals.tests, "test"), counted(totals.points, "await")
        runs = counted(totals.runs, "run")
        terminalreporter.write_line(f"sigtask: {tests} explored at {points}, {runs}, {totals.failed} failed")


# -- a test on sigtask's tasks ----------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that asks for `sigtask_loop` runs in a task of ours, and its loop makes ours, while it runs."""
    if isinstance(item, pytest.Function) and "sigtask_loop" in item.fixturenames:
        function = item.obj
        if inspect.iscoroutinefunction(function):
            item.obj = _in_a_task_of_ours(function)
            case = item.instance if isinstance(item.instance, unittest.TestCase) else None
            if case is not None:  # which looks for its method itself
                setattr(case, item.name, item.obj)
            try:
                return (yield)
            finally:
                item.obj = function
                if case is not None:
                    delattr(case, item.name)
    return (yield)


def _in_a_task_of_ours(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        from .._core.factory import create_task, install

        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        install(loop)
        try:
            return await create_task(function(*args, **kwargs), name=function.__name__)
        finally:
            loop.set_task_factory(before)

    return run
