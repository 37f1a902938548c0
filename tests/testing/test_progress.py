"""Who waits at a terminal for more than two seconds sees how far an exploration has come; nobody else sees anything."""

import asyncio
import importlib.util
import io
import sys

import pytest

from sigtask import Terminate
from sigtask.testing import explore


class Terminal(io.StringIO):
    def isatty(self):
        return True


async def works():
    for _ in range(40):
        await asyncio.sleep(0)


@pytest.fixture
def at_once(monkeypatch):
    """Every run is looked back at, and two seconds are over."""
    from sigtask.testing._explore import progress, session

    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setattr(session, "BATCH", 0.0)


def at_a_terminal(monkeypatch):
    """What is written to a terminal from now on; not in a fixture, as pytest puts its own stderr in after those."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_at_a_terminal_a_line_says_how_far_it_is_and_is_gone_in_the_end(at_once, monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    explore(works, signals=Terminate).assert_passed()
    assert "exploring works: 7 of 40 runs, 0 failed" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")


def test_where_rich_is_installed_it_draws_a_bar(at_once, monkeypatch):
    if importlib.util.find_spec("rich") is None:
        pytest.skip("rich is not installed")
    terminal = at_a_terminal(monkeypatch)
    explore(works, signals=Terminate).assert_passed()
    assert "exploring works: " in terminal.getvalue()
    assert "━" in terminal.getvalue()


def test_before_that_time_and_away_from_a_terminal_nothing_is_written(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    from sigtask.testing._explore import progress, session

    monkeypatch.setattr(session, "BATCH", 0.0)
    monkeypatch.setattr(progress, "AFTER", 3600.0)
    explore(works, signals=Terminate).assert_passed()
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress, "AFTER", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    explore(works, signals=Terminate).assert_passed()
    assert sys.stderr.getvalue() == ""
