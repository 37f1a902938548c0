"""What is same, better and worse: the comparison of `make harm` by itself, on programs that never ran."""

from __future__ import annotations

from dataclasses import replace

import pytest
from allowed import judge, judge_both
from comparing import LADDER_TIME, Case
from observing import Seen
from reading import Shape, all_shapes
from stimuli import Stimulus

SHAPE = Shape("made_up", "a program", "")
DIED = Seen(("ready",), -15, 0.0)
CTRL_C = Seen(("ready", "cleanup: main", "end"), -2, 0.1)
HANGS = Seen(("ready",), None, 6.5)


def verdict(plain, ours, stimulus="TERM", way="run", interrupted=None, once=None, **head):
    shape = replace(SHAPE, head={name: [value] for name, value in head.items()})
    return judge(Case(shape, way, Stimulus.parse(stimulus), plain, ours, interrupted or plain, once or plain))


@pytest.mark.parametrize("seen", [DIED, CTRL_C])
def test_no_difference_is_the_same(seen):
    assert verdict(seen, seen).word == "same"


@pytest.mark.parametrize(
    "change",
    [
        {"status": 130},
        {"lines": ("ready", "end")},
        {"lines": ("ready", "end", "cleanup: main")},
        {"lines": ("ready", "cleanup: main", "cleanup: main", "end")},
        {"lines": ("ready", "cleanup: main", "KeyboardInterrupt seen", "end")},
        {"took": 0.9},
        {"children": ("sleep 600",)},
        {"port": True},
        {"files": ("pymp-1",)},
        {"status": None, "took": 6.5},
        {"ready": False},
    ],
    ids=str,
)
def test_any_other_difference_is_worse(change):
    assert verdict(CTRL_C, replace(CTRL_C, **change), "INT").word == "worse"


def test_cleanup_where_plain_dies_at_once_is_better():
    assert str(verdict(DIED, replace(DIED, lines=("ready", "cleanup: main"), took=1.0))) == "better (b)"


def test_cleanup_that_takes_longer_than_the_ladder_is_worse():
    took = LADDER_TIME + 1
    assert verdict(DIED, replace(DIED, lines=("ready", "cleanup: main"), took=took)).word == "worse"


def test_a_cleanup_that_only_plain_has_torn_is_better():
    torn = replace(CTRL_C, lines=("ready", "torn: main"))
    assert str(verdict(torn, replace(torn, lines=("ready", "cleanup: main")), "INT 1s INT")) == "better (b)"


def test_lines_from_several_threads_may_come_in_any_order_where_the_shape_says_so():
    swapped = replace(CTRL_C, lines=tuple(reversed(CTRL_C.lines)))
    assert verdict(CTRL_C, swapped, "INT", order="any").word == "same"


@pytest.mark.parametrize("status", [-15, 143])
def test_an_end_by_the_ladder_is_better_where_plain_hangs(status):
    assert str(verdict(HANGS, replace(HANGS, status=status, took=3.0))) == "better (a)"


@pytest.mark.parametrize("change", [{"status": 0}, {"status": 130}, {"took": LADDER_TIME + 1}], ids=str)
def test_where_plain_hangs_an_end_by_anything_else_or_too_late_is_worse(change):
    assert verdict(HANGS, replace(HANGS, **{"status": 143, "took": 3.0, **change})).word == "worse"


def test_hanging_as_plain_does_is_worse_for_there_is_a_ladder():
    assert verdict(HANGS, HANGS).word == "worse"


def test_what_is_meant_to_live_may_not_be_ended():
    assert verdict(HANGS, HANGS, lives="TERM").word == "same"
    assert verdict(HANGS, replace(HANGS, status=-15, took=3.0), lives="TERM").word == "worse"


def test_143_is_allowed_for_run_only_and_not_where_it_was_ended_by_force():
    exited = replace(DIED, status=143)
    forced = replace(exited, stderr=("Thread 0x1 (most recent call first):",))
    assert str(verdict(DIED, exited, way="own")) == "better (c)"
    assert [verdict(DIED, seen, way=way).word for seen, way in ((exited, "run"), (forced, "own"))] == ["worse", "worse"]


def test_an_end_of_its_own_is_allowed_as_it_is_on_a_ctrl_c_under_plain_python():
    own = Seen(("ready", "cleanup: main"), 3, 0.2)
    assert str(verdict(DIED, own, interrupted=own)) == "better (b, f)"
    others = [replace(own, status=4), replace(own, status=-2), replace(own, lines=("ready", "Ctrl-C seen"))]
    assert {verdict(DIED, own, interrupted=other).word for other in others} == {"worse"}


def test_two_signals_at_once_may_be_taken_as_one_where_that_loses_nothing():
    torn = Seen(("ready", "torn: main"), 1, 0.1)
    assert str(verdict(torn, CTRL_C, "INT 30ms INT", once=CTRL_C)) == "better (g)"
    assert verdict(torn, CTRL_C, "INT 1s INT", once=CTRL_C).word == "worse"
    called_twice = replace(torn, lines=("ready", "handler called", "handler called"))
    assert verdict(called_twice, CTRL_C, "INT 30ms INT", once=CTRL_C).word == "worse"


def test_two_signals_as_one_may_be_better_than_plain_python_is_on_one():
    torn, cleaned = Seen(("ready", "torn: main"), 1, 0.1), replace(DIED, lines=("ready", "cleanup: main"))
    assert str(verdict(torn, cleaned, "TERM 30ms TERM", once=DIED)) == "better (b, g)"
    assert verdict(torn, replace(cleaned, status=0), "TERM 30ms TERM", once=DIED).word == "worse"


def test_fewer_left_behind_is_better():
    left = replace(DIED, children=("sleep 600", "sh"), files=("a",))
    assert str(verdict(left, replace(left, children=("sh",)))) == "better (d)"
    assert verdict(left, replace(left, children=(), files=("a", "b"))).word == "worse"


def test_a_grace_is_allowed_where_the_shape_gives_a_reason():
    slow = replace(DIED, took=3.0)
    assert str(verdict(DIED, slow, grace="its loop is blocked")) == "better (e)"
    assert verdict(DIED, slow).word == "worse"


def test_after_a_grace_it_may_be_ended_by_force_and_not_by_anything_else():
    forced = replace(DIED, status=143, took=4.5, stderr=("Thread 0x1 (most recent call first):",))
    assert str(verdict(DIED, forced, grace="its loop is blocked")) == "better (e)"
    others = [{"stderr": ()}, {"status": 130}, {"lines": ("ready", "end")}, {"took": LADDER_TIME + 1}]
    assert {verdict(DIED, replace(forced, **other), grace="blocked").word for other in others} == {"worse"}


def test_what_a_program_makes_of_system_exit_is_allowed_where_the_shape_gives_a_reason():
    failed = Seen(("ready", "cleanup: first test", "second test runs"), 1, 0.3)
    assert str(verdict(DIED, failed, exit="pytest counts a failed test")) == "better (h)"
    assert verdict(DIED, failed).word == "worse"
    assert verdict(CTRL_C, failed, "INT", exit="pytest counts a failed test").word == "worse"


def test_a_reason_may_be_for_one_stimulus_only():
    slow, only = replace(DIED, took=3.0), {"grace": "TERM 1s TERM: its `finally` is cut", "also": "TERM 1s TERM"}
    assert [verdict(DIED, slow, told, **only).word for told in ("TERM 1s TERM", "TERM")] == ["better", "worse"]


def test_a_program_whose_time_differs_from_run_to_run_may_take_as_much_more():
    assert verdict(DIED, replace(DIED, took=1.2), slack="1 it looks each half second").word == "same"
    assert verdict(DIED, replace(DIED, took=1.7), slack="1 it looks each half second").word == "worse"


def test_a_line_that_must_be_there_is_asked_for_though_plain_has_it_not():
    assert verdict(DIED, DIED, must="TERM: cleanup: main").word == "worse"
    assert verdict(DIED, replace(DIED, lines=("ready", "cleanup: main")), must="TERM: cleanup: main").word == "better"


def test_more_on_stderr_is_worse_where_the_shape_says_so():
    warned = replace(DIED, stderr=("a warning",))
    assert verdict(DIED, warned).word == "same"
    assert verdict(DIED, warned, stderr="").word == "worse"


def twice(plain, ours, second_plain, second_ours):
    first, second = (
        Case(SHAPE, "run", Stimulus.parse("INT"), p, o, p, p) for p, o in ((plain, ours), (second_plain, second_ours))
    )
    return judge_both(first, second).word


def test_too_late_is_forgiven_once():
    late = replace(CTRL_C, took=2.0)
    assert twice(CTRL_C, late, CTRL_C, CTRL_C) == "same"
    assert twice(CTRL_C, late, CTRL_C, late) == "worse"


def test_another_outcome_is_not_forgiven_whichever_run_has_it():
    other = replace(CTRL_C, status=130)
    assert twice(CTRL_C, other, CTRL_C, CTRL_C) == "worse"
    assert twice(CTRL_C, replace(CTRL_C, took=2.0), CTRL_C, other) == "worse"


def test_an_outcome_that_plain_python_has_at_times_is_the_same():
    other = replace(CTRL_C, status=130)
    assert twice(CTRL_C, other, other, CTRL_C) == "same"
    assert twice(CTRL_C, other, other, replace(CTRL_C, status=1)) == "worse"


@pytest.mark.parametrize("text", ["FOO", "INT 1m TERM", "KILLED"])
def test_a_stimulus_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is no signal"):
        Stimulus.parse(text)


def test_every_shape_has_a_head_that_is_understood():
    shapes = all_shapes()
    assert len(shapes) >= 40
    assert all({"INT", "TERM"} <= {stimulus.name for stimulus in shape.stimuli} and shape.ways for shape in shapes)
