"""Do no harm: a part of `make harm`, on this Python, and that docs/harm.md is in step with the shapes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harm import ROOT, arguments, run_all
from matrix import letters_in
from reading import WAYS, all_shapes

pytestmark = pytest.mark.os

SHAPES = {shape.name: shape for shape in all_shapes()}
PART = (
    "aiohttp_run_app", "between_runs", "cancelled_returns", "closing_cancel", "except_around_run", "fork_with_a_loop",
    "goodbye_to_connections", "graceful_exit", "handler_in_main", "helper_in_finally", "inherited_ignore",
    "masked_commit", "pytest_sync", "raises_again", "repl_with_a_loop", "same_task_again", "shielded_commit",
    "subprocess_child", "sync_sleep", "task_group", "thread_result", "uncaught", "uvicorn_lifespan",
)  # fmt: skip
"""The kinds that matter most, each in a program that ends soon."""
PAGE = (ROOT / "docs" / "harm.md").read_text("utf-8").splitlines()
ANEW = "make it anew: make harm"


def on_this_python(*words):
    """What `run_all` finds with those arguments and the Python of this test."""
    options = arguments([*words, "--at-a-time", "3"])
    options.pythons = {"{}.{}".format(*sys.version_info): Path(sys.executable)}
    return run_all([SHAPES[name] for name in options.only], options)


@pytest.fixture(scope="module")
def results():
    """The part, told once by each of the two signals, under the command and with `sigtask.run()`."""
    return on_this_python("--only", *PART, "--ways", "run", "own", "--stimuli", "INT", "TERM")


@pytest.mark.parametrize("name", PART)
def test_a_program_is_not_worse_off_with_sigtask(results, name):
    mine = [result for result in results if result.case.shape.name == name]
    assert mine or not SHAPES[name].words("needs")
    worse = [f"{result.case}: {result.verdict}" for result in mine if result.verdict.word == "worse"]
    assert not worse, "\n".join(worse)


def test_plain_python_is_the_same_as_itself():
    names = ("uncaught", "closing_cancel", "sync_sleep")
    found = on_this_python("--only", *names, "--ways", "plain", "--stimuli", "INT", "TERM")
    assert [str(result.verdict) for result in found] == ["same"] * 6


def rows():
    """The page's rows, by the program's name."""
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in PAGE if line.startswith("| ")]
    return {row[0]: row for row in cells[1:]}


def test_the_page_has_all_shapes_with_all_that_they_are_told_by():
    shown = {name: row[1:3] for name, row in rows().items()}
    known = {shape.name: [shape.says, ", ".join(s.name for s in shape.stimuli)] for shape in SHAPES.values()}
    assert shown == known, ANEW


def test_the_page_has_nothing_that_is_worse():
    worse = [line for line in PAGE if line.startswith("| ") and "**worse**" in line]
    assert not worse, "\n".join(worse)


def test_what_is_better_here_is_better_for_that_on_the_page(results):
    shown = {name: dict(zip(WAYS, row[3:], strict=False)) for name, row in rows().items()}
    for result in results:
        if result.verdict.word == "better":
            case = result.case
            said = letters_in(shown[case.shape.name].get(case.way, ""), case.stimulus.name)
            assert set(result.verdict.why) <= set(said), f"{case}: {result.verdict}, on the page: {said!r}; {ANEW}"
