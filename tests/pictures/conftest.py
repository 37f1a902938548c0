"""A Chromium to look at pages with, and reports to look at."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import browser as chromium

from sigtask import Report, RungReport, TaskReport

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "build" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def browser():
    program = chromium.found()
    if program is None:
        pytest.skip("no Chromium was found on PATH (on Debian: install chromium)")
    started = chromium.Browser(program)
    yield started
    started.close()


@pytest.fixture(scope="session")
def axe():
    """The script that checks a page's roles and contrast."""
    path = Path(os.environ.get("AXE", AXE))
    if not path.is_file():
        pytest.skip("axe-core is not installed (npm install --prefix build axe-core; or AXE=path of its axe.min.js)")
    return path.read_text("utf-8")


@pytest.fixture
def show(browser, tmp_path):
    """`show(report, **looks)` gives the report's page, as Chromium shows it."""

    def show(report, **looks):
        report.to_html(tmp_path / "stop.html")
        return browser.open(tmp_path / "stop.html", **looks)

    return show


def row(name, ended="ended by Terminate", rung="terminate", seconds=(10.0, 1.0), **more):
    """A task that the first rungs of `report_of` came to; it stood in the line 7 of its coroutine."""
    spent = dict(zip(("drain", "terminate", "kill"), seconds, strict=False))
    coroutine = more.pop("coroutine", "serve")
    stood = dict.fromkeys(spent, f"app.py:7 in {coroutine}")
    return TaskReport(name, ended, rung, spent, stood, coroutine=coroutine, **more)


def report_of(*rows, **more):
    """A report of ten seconds of drain, five of terminate, and a kill."""
    rungs = tuple(
        RungReport(name, seconds, len(rows), sum(row.rung == name for row in rows))
        for name, seconds in (("drain", 10.0), ("terminate", 5.0), ("kill", 0.2))
    )
    about = {"ladder": "drain=10s,terminate=5s,kill=1s", "reason": "SIGTERM", "seconds": 15.2, **more}
    return Report(tasks=rows, rungs=rungs, **about)


def deaf(name="deaf", **more):
    """One that refused."""
    stack = ("app.py:3 in main", "lib.py:9 in swallow")
    more = {"swallowed": ["Terminate at lib.py:9"], "stack": stack, "coroutine": "swallow", **more}
    return row(name, "ended by Kill", "kill", (10.0, 5.0, 0.2), **more)


def ten_thousand():
    """Nearly all are alike but for their seconds; one refused."""
    served = (row(f"connection-{n}", seconds=(10.0, round(n / 2000, 3))) for n in range(9_999))
    return report_of(*served, deaf())
