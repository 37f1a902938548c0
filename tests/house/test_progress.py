"""`make test` says how far it has come: tools/progress.py."""

import importlib
import io
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def progress(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("progress")
    yield module
    sys.modules.pop("progress", None)


def works(progress, **expected):
    return [progress.Work(name, seconds) for name, seconds in expected.items()]


def test_the_line_says_what_runs_how_many_are_left_and_about_how_long(progress):
    state = progress.Progress(works(progress, edges=100.0, core=300.0, house=20.0), 2, io.StringIO())
    state.works[0].began, state.works[0].took = 0.0, 200.0  # twice what was expected
    state.works[1].began = 200.0
    assert state.line(200.0) == "1 of 3 done, about 10 min left; running: core"


def test_the_estimate_is_never_less_than_the_longest_that_runs(progress):
    state = progress.Progress(works(progress, core=300.0, a=1.0, b=1.0), 3, io.StringIO())
    assert state.seconds_left(0.0) == 300.0


def test_one_that_takes_longer_than_expected_leaves_no_negative_time(progress):
    state = progress.Progress(works(progress, core=10.0), 1, io.StringIO())
    state.works[0].began = 0.0
    assert state.seconds_left(100.0) == 0.0


def test_where_nobody_watches_each_end_is_a_line(progress):
    out = io.StringIO()
    state = progress.Progress(works(progress, core=10.0, house=5.0), 1, out)
    state.begin(0)
    state.end(0, "pass  core")
    assert out.getvalue() == "pass  core\n"


def test_a_terminal_has_one_line_below_what_has_ended(progress):
    out = Terminal()
    state = progress.Progress(works(progress, core=10.0, house=5.0), 1, out)
    state.show()
    state.begin(0)
    state.end(0, "pass  core")
    assert "\r" in out.getvalue()
    assert out.getvalue().rpartition("\n")[2] == "1 of 2 done, about 10 s left; running: nothing"
