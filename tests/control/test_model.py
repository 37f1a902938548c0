"""How tasks are put in order and shown, on a terminal and in `sigtask top`."""

import random

import pytest

from sigtask.control._columns import TITLES
from sigtask.control._model import Program, arranged, as_objects, hears, label, signals_of
from sigtask.control._top_model import View


def row(number, parent=None, **fields):
    told = {
        "name": f"t{number}",
        "coroutine": "f",
        "state": "waiting",
        "threshold": 20,
        "pending": [],
        "in_force": None,
    }
    return {"id": number, "parent": parent, "born": float(number), "where": "a.py:1 in f", **told, **fields}


def shape(lines):
    return [(line.prefix, line.row["id"], len(line.alike)) for line in lines]


def test_children_stand_below_who_has_spawned_them():
    found = arranged([row(3, 1), row(1), row(2, 1, state="ready"), row(4, 2), row(5)])
    assert shape(found) == [("", 1, 0), ("├─ ", 2, 0), ("│  └─ ", 4, 0), ("└─ ", 3, 0), ("", 5, 0)]


def test_a_task_whose_parent_is_gone_stands_by_itself():
    assert shape(arranged([row(2, 1)])) == [("", 2, 0)]


def test_many_that_are_alike_are_one_line_and_one_that_differs_is_not_among_them():
    rows = [row(1), *(row(number, 1) for number in range(2, 12)), row(12, 1, where="b.py:2 in g"), row(13, 2)]
    assert shape(arranged(rows)) == [("", 1, 0), ("├─ ", 2, 0), ("│  └─ ", 13, 0), ("├─ ", 3, 8), ("└─ ", 12, 0)]
    assert len(arranged(rows, fold=False)) == 13
    assert len(arranged(rows, "id")) == 13


def test_a_chain_of_100_000_and_a_ring_are_shown_whole_and_at_once():
    rows = [row(number, number - 1) for number in range(100_000)]
    found = arranged(rows)
    assert len(found) == 100_000 and max(len(line.prefix) for line in found) < 100
    assert len(arranged([row(1, 3), row(2, 1), row(3, 2)])) == 3
    assert len(arranged([row(1, 1)])) == 1


@pytest.mark.parametrize("seed", range(20))
def test_every_task_is_in_exactly_one_line(seed):
    rng = random.Random(seed)
    rows = [row(n, rng.choice([None, rng.randrange(60)]), state=rng.choice("ab")) for n in range(50)]
    for sort in ("tree", "name", "age", "state", "where", "coroutine", "signals", "id"):
        shown = [one["id"] for line in arranged(rows, sort) for one in (line.row, *line.alike)]
        assert sorted(shown) == list(range(50))


def test_a_label_has_the_coroutine_where_that_says_more():
    assert label(row(1, name="worker", coroutine="main.<locals>.work")) == "worker (work)"
    assert label(row(1, name="work", coroutine="work")) == "work"


@pytest.mark.parametrize(
    ("level", "word"), [(10, "drain"), (11, "interrupt"), (20, "interrupt"), (31, "kill"), (None, "-")]
)
def test_hears_is_the_weakest_signal_that_is_thrown(level, word):
    assert hears(row(1, threshold=level)) == word


def test_signals_have_their_age_on_the_processes_own_clock():
    force = {"signal": "Terminate", "level": 30, "reason": "full", "sender": "x", "sent_at": 97.0, "fate": "delivered"}
    program = Program({"pid": 1, "now": 100.0}, tasks=[row(90, in_force=force)])
    assert signals_of(program.tasks[0], program) == ["in force: Terminate since 3.0 s: full  (from x)"]
    (found,) = as_objects(program)
    assert (found["age"], found["in_force"]["age"]) == (10.0, 3.0)


# -- top --------------------------------------------------------------------------------------------------------------


def view(*rows, **options):
    found = View(**options)
    found.take(Program({"pid": 7, "command": "app", "now": 100.0, "began": 0.0}, {1: {"number": 1}}, list(rows)))
    return found


def test_the_chosen_task_stays_chosen_wherever_it_moves_to():
    screen = view(row(1), row(2), row(3), sort="id")
    screen.move(+1)
    assert screen.chosen == 2
    screen.take(Program({}, {}, [row(9), row(2, state="ready")]))
    assert (screen.chosen, screen.cursor) == (2, 0)


def test_when_the_chosen_task_is_gone_the_one_in_its_place_is_chosen():
    screen = view(row(1), row(2), row(3), sort="id")
    screen.move(+1)
    screen.take(Program({}, {}, [row(1), row(3)]))
    assert screen.chosen in (1, 3)
    screen.take(Program())
    assert screen.chosen is None and screen.row is None


def test_moving_ends_at_the_first_and_the_last_line():
    screen = view(row(1), row(2, state="ready"), sort="id")
    for by, chosen in ((-5, 1), (10**9, 2), (-(10**9), 1)):
        screen.move(by)
        assert screen.chosen == chosen
    View().move(1)


def test_a_filter_shows_what_has_the_words_anywhere_in_its_line():
    pending = {"signal": "Drain", "level": 10, "reason": "Deploy", "sent_at": 1.0, "fate": "pending"}
    screen = view(row(1, name="alpha"), row(2, where="pay.py:1 in f"), row(3, pending=[pending]), sort="id")
    for words, ids in (("ALPHA", [1]), ("pay.py", [2]), ("deploy", [3]), ("", [1, 2, 3]), ("nothing", [])):
        screen.words = words
        screen.arrange()
        assert [line.row["id"] for line in screen.lines] == ids


def test_a_frozen_view_stands_still():
    screen = view(row(1))
    screen.frozen = True
    screen.take(Program({}, {}, [row(2)]))
    assert [line.row["id"] for line in screen.lines] == [1]
    assert "FROZEN" in screen.header()[-1]


def test_cells_and_header_show_control_characters_and_obey_none():
    bad = "\x1b[2J\u202e\r"
    screen = view(row(1, name=bad, coroutine=bad, where=bad, state=bad), words=bad)
    screen.program.process["command"] = bad
    screen.arrange()
    texts = [*screen.header(), *screen.details([bad]), *(cell for line in screen.lines for cell in screen.cells(line))]
    assert screen.lines and all(text.isprintable() for text in texts)
    assert len(screen.cells(screen.lines[0])) == len(TITLES)


def test_the_header_has_how_a_stop_goes_as_the_live_view_has_it():
    screen = view(row(1))
    stop = {"cause": "SIGTERM", "rung": "drain", "rung_left": 2.0, "then": "kill", "left": 1}
    screen.program.process["stopping"] = {**stop, "slowest": "t1 at a.py:1 in f"}
    assert screen.header()[1:3] == ["SIGTERM  drain   2.0 s, then kill  (1 task left)", "waiting for t1 at a.py:1 in f"]


def test_a_signal_is_in_capitals_while_it_is_being_handled_and_small_while_pending():
    one = {"signal": "Terminate", "level": 30, "fate": "x"}
    screen = view(row(1, pending=[one]), row(2, in_force=one), sort="id")
    assert [screen.cells(line)[4] for line in screen.lines] == ["terminate", "TERMINATE"]
