"""A process that is asked may be another user's, and say anything: the one who asks is told what it can be told."""

import json
import random

import pytest

pytest.importorskip("click")
from sigtask.cli._looking import _said
from sigtask.control._client import Unreachable
from sigtask.control._model import as_objects, look
from sigtask.control._reported import report_of
from sigtask.control._top_model import View

ODD = [None, True, 0, -1, 2**70, 1.5, float("inf"), float("nan"), "", "\x1b[2J", "\ud800", [], [[]], [1], {}, {"x": 1}]
PROCESS = {
    "pid": 5,
    "uid": 0,
    "command": "c",
    "python": "3",
    "now": 10.0,
    "began": 1.0,
    "stopping": {"cause": "SIGTERM", "rung": "drain", "rung_left": 1.0, "then": "kill", "left": 1, "slowest": "x"},
    "children": [{"pid": 0, "command": "x"}],
}
SIGNAL = {"signal": "Drain", "level": 10, "reason": "r", "sender": "s", "sent_at": 3.0, "fate": "pending"}
ROW = {
    "id": 1,
    "name": "n",
    "coroutine": "c",
    "state": "waiting",
    "parent": None,
    "threshold": 20,
    "pending": [SIGNAL],
    "in_force": SIGNAL,
    "born": 1.0,
    "where": "w",
    "stack": ["a"],
}
LOOP = {"number": 1, "thread": "t", "state": "blocked", "where": "w", "stack": "a, called at b", "stale": 3}
REPORT = {
    "ladder": "kill",
    "reason": None,
    "seconds": 1.0,
    "rungs": [{"name": "kill", "seconds": 0.0, "sent": 1, "ended": 1, "skipped": False, "unasked": False}],
    "threads": [{"name": "t", "daemon": True, "where": "w"}],
    "note": None,
    "children": [{"pid": 1, "command": "c"}],
    "pid": 3,
    "began": None,
    "status": None,
}
TASK = {"name": "n", "ended": "returned", "rung": "kill", "seconds": {"kill": 1.0}, "stood": {"kill": "x"}, "stack": []}


class Lying:
    """A connection to a process that says whatever it likes."""

    pid = 5

    def __init__(self, *said):
        self.said = said

    def ask(self, do, **fields):
        yield from self.said


def spoiled(facts, rng):
    """The same, with some things in it left out or exchanged."""
    facts = json.loads(json.dumps(facts))
    for _ in range(rng.randint(1, 3)):
        spot, key = None, None
        inner = facts
        while isinstance(inner, dict | list) and inner and (spot is None or rng.random() < 0.7):
            spot, key = inner, rng.choice(list(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
            inner = spot[key]
        if spot is not None:
            spot[key] = rng.choice(ODD)
    return facts


@pytest.mark.parametrize("seed", range(1000))
def test_what_a_lying_process_says_is_shown_as_far_as_it_goes_and_breaks_nothing(seed, capsys):
    rng = random.Random(seed)
    said = spoiled([{"process": PROCESS}, {"loop": LOOP}, {"tasks": [ROW, {**ROW, "id": 2}], "loop": 1}], rng)
    program = look(Lying(*(one for one in said if isinstance(one, dict))), family=False)
    for sort in ("tree", "age", "signals", "where"):
        lines = "".join(_said(program, sort, every=False))
        for style in ("\x1b[1m", "\x1b[0m", "\x1b[33m", "\x1b[31m"):
            lines = lines.replace(style, "")
        assert lines.isprintable()
    assert json.dumps(list(as_objects(program)), allow_nan=False)
    screen = View()
    screen.take(program)
    columns = screen.layout(80)
    assert "".join([*screen.header(), *screen.details([]), *map(columns.line, map(screen.cells, screen.lines))])


@pytest.mark.parametrize("seed", range(300))
def test_a_report_that_is_none_is_said_to_be_none(seed):
    rng = random.Random(seed)
    said = spoiled([REPORT, TASK], rng)
    if isinstance(said[0], dict):
        try:
            assert str(report_of(5, said[0], [said[1]])).replace("\n", "").isprintable()
        except Unreachable as error:
            assert "process 5 has sent what is no report" in str(error)
