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
PART = {
    "main is told first, and its cleanup is whole": (
        "helper_in_finally", "shielded_commit", "goodbye_to_connections", "task_group"
    ),
    "what comes out is plain Python's": (
        "except_around_run", "except_around_runner", "pytest_sync", "raises_again", "repl_with_a_loop", "uncaught"
    ),
    "what is ignored stays ignored": ("inherited_ignore",),
    "the program's own handlers are called, and have an end": (
        "handler_before_run", "handler_in_main", "graceful_exit", "uvicorn_embedded"
    ),
    "a mask holds while run() closes": ("closing_cancel", "masked_commit"),
    "the main thread is told, and all loops": ("sync_sleep", "thread_result", "loops_in_threads"),
    "the time before the first loop, and between two": ("importing", "between_runs"),
    "processes are not left behind, and end in order": ("fork_with_a_loop", "subprocess_child", "uvicorn_workers"),
    "a server's own end is whole": ("aiohttp_run_app", "uvicorn_lifespan"),
    "two at once count as one, also after run()": ("after_run",),
    "after run() nobody is ended by the ladder": ("saves_for_long",),
    "a thread that reads does not make Python abort": ("reads_stdin_in_a_thread",),
    "nothing more on stderr": ("trio_run",),
    "a main that takes the signal": ("cancelled_returns", "same_task_again"),
}  # fmt: skip
"""Each kind of harm that has been found, in programs that end soon. PID 1 is in tests/programs/test_first_act.py."""
NAMES = tuple(name for names in PART.values() for name in names)
TWICE = ("after_run", "goodbye_to_connections", "handler_in_main")
PAGE = (ROOT / "docs" / "harm.md").read_text("utf-8").splitlines()
ANEW = "make it anew: make harm"


def on_this_python(*words):
    """What `run_all` finds with those arguments and the Python of this test."""
    options = arguments([*words, "--at-a-time", "4"])
    options.pythons = {"{}.{}".format(*sys.version_info): Path(sys.executable)}
    return run_all([SHAPES[name] for name in options.only], options)


@pytest.fixture(scope="module")
def results():
    """The part: told once by each of the two signals, or twice, under the command and with `sigtask.run()`."""
    return [
        *on_this_python("--only", *NAMES, "--ways", "run", "own", "--stimuli", "INT", "TERM"),
        *on_this_python("--only", *TWICE, "--ways", "run", "own", "--stimuli", "INT 30ms INT", "TERM 30ms TERM"),
        *on_this_python("--only", "fork_with_a_loop", "--ways", "uvloop", "--stimuli", "TERM"),
    ]


@pytest.mark.parametrize("name", NAMES)
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
