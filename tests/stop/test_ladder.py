"""R24: ladders, and what they say is due after so many seconds."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigtask import Drain, Interrupt, Kill, Ladder, Rung, Signal, Terminate
from sigtask.ladder import DEFAULT, KILL_GRACE

CLASSES = [Drain, Interrupt, Terminate, Kill]


class Reload(Drain):
    level = 12


GRACES = st.floats(0, 1e6)


@st.composite
def ladders(draw, seconds=GRACES):
    chosen = draw(st.sets(st.sampled_from(CLASSES), min_size=1))
    rungs = [(cls, draw(seconds)) for cls in CLASSES if cls in chosen]
    return Ladder(*rungs, limit=draw(st.floats(0, 100)))


elapsed_times = st.floats(0, 5e6)


# -- making one -------------------------------------------------------------------------------------------------------


def test_r24_a_ladder_has_its_rungs_in_order():
    ladder = Ladder((Drain, 10), (Terminate, 5), (Kill, 1))
    assert ladder.rungs == (Rung(Drain, 10.0), Rung(Terminate, 5.0), Rung(Kill, 1.0))


def test_r24_a_rung_may_be_given_as_a_rung():
    assert Ladder(Rung(Terminate, 5), Kill) == Ladder((Terminate, 5), Kill)


def test_r24_kill_may_leave_its_grace_out():
    assert Ladder(Kill).rungs == (Rung(Kill, KILL_GRACE),)


def test_r24_a_class_of_ones_own_is_a_rung():
    assert [rung.name for rung in Ladder((Drain, 1), (Reload, 2), (Interrupt, 3)).rungs] == [
        "drain",
        "reload",
        "interrupt",
    ]


def test_r24_the_default_is_drain_10_terminate_5_kill():
    assert Ladder((Drain, 10), (Terminate, 5), Kill) == DEFAULT


def test_r27_no_limit_is_the_default():
    assert DEFAULT.limit == 0


@pytest.mark.parametrize(
    ("text", "ladder"),
    [
        ("drain=10s,terminate=5s,kill", DEFAULT),
        ("drain=10,terminate=5,kill=1", DEFAULT),
        (" Drain = 10 s , TERMINATE=5s,kill ", DEFAULT),
        ("kill", Ladder(Kill)),
        ("interrupt=250ms,terminate=2m", Ladder((Interrupt, 0.25), (Terminate, 120))),
        ("terminate=1h,kill=0.5s", Ladder((Terminate, 3600), (Kill, 0.5))),
        ("terminate=5s,limit=30s,kill", Ladder((Terminate, 5), Kill, limit=30)),
        ("sigtask:Terminate=5s", Ladder((Terminate, 5))),
    ],
)
def test_r24_parse_reads_what_people_write(text, ladder):
    assert Ladder.parse(text) == ladder


def test_r24_parse_takes_a_class_by_its_module():
    ladder = Ladder.parse("sigtask.signals:Interrupt=1s,kill")
    assert ladder.rungs[0].signal is Interrupt


@given(ladders(seconds=st.integers(0, 100_000)))
def test_r24_a_ladder_of_built_in_signals_is_parsed_from_its_own_str(ladder):
    ladder = Ladder(*ladder.rungs)
    assert Ladder.parse(str(ladder)) == ladder


# -- bad input --------------------------------------------------------------------------------------------------------


def test_r24_levels_must_rise():
    with pytest.raises(ValueError, match="the ladder does not rise: drain .* after terminate .* weaker signal first"):
        Ladder((Terminate, 5), (Drain, 10))


def test_r24_the_same_level_twice_does_not_rise():
    with pytest.raises(ValueError, match="does not rise"):
        Ladder((Drain, 5), (Drain, 10))


def test_r24_a_ladder_needs_a_rung():
    with pytest.raises(ValueError, match="at least one rung"):
        Ladder()


@pytest.mark.parametrize(
    "rung", [42, "drain", None, (Drain,), (Drain, 1, 2), [Drain, 1], (int, 3), (Signal, 3), Signal]
)
def test_r24_what_is_no_rung_is_a_type_error_that_shows_one(rung):
    with pytest.raises(TypeError, match=r"\(Drain, 10\)"):
        Ladder(rung)


def test_r24_only_kill_may_leave_its_grace_out():
    with pytest.raises(TypeError, match=r"Terminate needs a grace: \(Terminate, seconds\)"):
        Ladder(Terminate)


def test_r24_an_instance_is_no_rung():
    with pytest.raises(TypeError, match="a signal class"):
        Ladder((Drain("why"), 10))


@pytest.mark.parametrize("grace", ["10", b"1", True, [], 1j])
def test_r24_a_grace_is_a_number(grace):
    with pytest.raises(TypeError, match="the grace of drain is .* a number of seconds"):
        Ladder((Drain, grace))


@pytest.mark.parametrize("grace", [-1, -0.001, float("nan"), float("inf"), -float("inf"), 10**400])
def test_r24_a_grace_is_0_or_more_and_finite(grace):
    with pytest.raises(ValueError, match="the grace of drain is .* 0 or more, and finite"):
        Ladder((Drain, grace))


def test_r24_a_rung_made_by_hand_is_checked_as_well():
    with pytest.raises(ValueError, match="0 or more"):
        Ladder(Rung(Drain, -1))


@pytest.mark.parametrize(("limit", "error"), [(-1, ValueError), (float("inf"), ValueError), ("1", TypeError)])
def test_r27_a_limit_is_checked_as_a_grace_is(limit, error):
    with pytest.raises(error, match="limit is"):
        Ladder(Kill, limit=limit)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("drain=10s,,kill", "''"),
        ("nudge=5s", "'nudge=5s'"),
        ("drain", "'drain' needs a grace; write it as drain=10s"),
        ("drain=", "'drain='"),
        ("drain=soon", "'soon' is not a duration"),
        ("drain=10 weeks", "'10 weeks' is not a duration"),
        ("drain=nan", "'nan' is not a duration"),
        ("drain=-5s", "-5.0"),
        ("limit,kill", "limit"),
        ("limit=5s", "at least one rung"),
        ("terminate=5s,drain=10s", "does not rise"),
        ("no.such.module:Class=5s", "No module named"),
        ("sigtask:Nothing=5s", "Nothing"),
        ("sigtask:run=5s", "not a signal class"),
        ("sigtask:Signal=5s", "not a signal class"),
        (":Drain=5s", "':Drain=5s'"),
        ("..x:Drain=5s", "'..x:Drain=5s'"),
    ],
)
def test_r24_parse_names_the_part_that_is_wrong(text, named):
    with pytest.raises(ValueError) as caught:
        Ladder.parse(text)
    assert named in str(caught.value)


@pytest.mark.parametrize("text", [None, 5, b"kill", Ladder(Kill)])
def test_r24_parse_takes_text_only(text):
    with pytest.raises(TypeError, match=r"Ladder.parse\(\) takes text"):
        Ladder.parse(text)


# -- a value ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rungs", "limit", "other"])
def test_r24_a_ladder_cannot_be_changed(name):
    with pytest.raises(AttributeError, match="cannot be changed"):
        setattr(DEFAULT, name, 1)


def test_r24_nothing_can_be_taken_off_a_ladder():
    with pytest.raises(AttributeError, match="cannot be changed"):
        del DEFAULT.rungs


def test_r24_a_rung_cannot_be_changed():
    with pytest.raises(AttributeError):
        DEFAULT.rungs[0].grace = 5


def test_r24_equal_ladders_are_equal_and_hash_alike():
    one, two = Ladder((Drain, 10), Kill, limit=2), Ladder((Drain, 10.0), (Kill, 1), limit=2.0)
    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize(
    "other", [Ladder((Drain, 10)), Ladder((Drain, 9), Kill), Ladder((Drain, 10), Kill, limit=1), 1]
)
def test_r24_a_ladder_with_another_rung_grace_or_limit_is_another(other):
    assert Ladder((Drain, 10), Kill) != other


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda ladder: pickle.loads(pickle.dumps(ladder))])
def test_r24_a_ladder_is_copied_and_pickled_whole(again):
    ladder = Ladder((Drain, 10), (Terminate, 5.5), Kill, limit=3)
    assert again(ladder) == ladder


def test_r24_repr_and_str_are_what_parse_reads():
    assert str(Ladder((Drain, 10), Kill, limit=3)) == "drain=10s,kill=1s,limit=3s"
    assert repr(Ladder((Drain, 0.5))) == "<Ladder drain=0.5s>"


# -- functions of elapsed time ----------------------------------------------------------------------------------------


def test_r24_each_rung_begins_when_the_graces_before_it_are_over():
    assert [DEFAULT.start(index) for index in range(4)] == [0, 10, 15, 16]


@pytest.mark.parametrize(
    ("elapsed", "index", "left"),
    [(0, 0, 10), (9.5, 0, 0.5), (10, 1, 5), (14, 1, 1), (15, 2, 1), (16, 3, 0), (99, 3, 0)],
)
def test_r24_index_and_left_at_the_edges(elapsed, index, left):
    assert (DEFAULT.index_at(elapsed), DEFAULT.left(elapsed)) == (index, pytest.approx(left))


def test_r24_a_timer_that_fires_a_hair_early_has_fired():
    assert DEFAULT.index_at(10 - 1e-9) == 1


def test_r24_total_and_what_is_before_the_kill():
    assert (DEFAULT.total, DEFAULT.before_kill) == (16, 15)


def test_r24_without_a_kill_before_kill_is_all():
    assert Ladder((Drain, 2), (Terminate, 3)).before_kill == 5


@given(ladders(), elapsed_times)
def test_r24_left_is_never_negative_nor_more_than_is_left(ladder, elapsed):
    assert 0 <= ladder.left(elapsed) <= max(0.0, ladder.total - elapsed) + 1e-3


@given(ladders(), elapsed_times, elapsed_times)
def test_r24_index_never_falls_as_time_goes_on(ladder, one, two):
    early, late = sorted([one, two])
    assert 0 <= ladder.index_at(early) <= ladder.index_at(late) <= len(ladder.rungs)


@given(ladders(), elapsed_times)
def test_r24_the_index_after_what_is_left_is_a_later_one(ladder, elapsed):
    index = ladder.index_at(elapsed)
    if index < len(ladder.rungs):
        assert ladder.index_at(elapsed + ladder.left(elapsed) + 1e-6) > index


@given(ladders())
def test_r24_starts_rise_from_0_to_total(ladder):
    starts = [ladder.start(index) for index in range(len(ladder.rungs) + 1)]
    assert starts == sorted(starts)
    assert (starts[0], starts[-1]) == (0, ladder.total)


@given(ladders(), st.floats(-10, 4e6))
def test_r27_within_never_takes_more_than_it_has(ladder, seconds):
    inner = ladder.within(seconds)
    assert inner.total <= max(0.0, seconds)
    assert inner.total + inner.limit <= max(0.0, seconds) * (1 + 1e-12)


@given(ladders(), st.floats(0, 4e6))
def test_r27_within_keeps_the_rungs_and_their_order(ladder, seconds):
    assert [rung.signal for rung in ladder.within(seconds).rungs] == [rung.signal for rung in ladder.rungs]


@given(ladders(), st.floats(0, 4e6))
def test_r27_within_shortens_every_rung_in_proportion(ladder, seconds):
    inner = ladder.within(seconds)
    share = 1 if ladder.total <= seconds else seconds / ladder.total
    for rung, shorter in zip(ladder.rungs, inner.rungs, strict=True):
        assert shorter.grace == pytest.approx(rung.grace * share, rel=1e-9, abs=1e-5)


@given(ladders())
def test_r27_within_enough_time_a_ladder_is_itself(ladder):
    assert ladder.within(ladder.total + ladder.limit) is ladder


def test_r27_within_leaves_a_limit_only_what_time_there_is():
    assert Ladder((Terminate, 5), limit=10).within(8) == Ladder((Terminate, 5), limit=3)
    assert Ladder((Terminate, 5), limit=10).within(4) == Ladder((Terminate, 4))


@given(ladders(), st.integers(0, 50))
def test_r24_from_level_is_an_end_of_the_ladder_and_never_empty(ladder, level):
    rest = ladder.from_level(level)
    assert rest.rungs == ladder.rungs[len(ladder.rungs) - len(rest.rungs) :]
    assert rest.limit == ladder.limit


def test_r24_from_level_starts_at_the_first_rung_that_is_as_strong():
    assert DEFAULT.from_level(Interrupt.level) == Ladder((Terminate, 5), Kill)


def test_r24_from_level_gives_the_strongest_rung_when_none_is_as_strong():
    assert Ladder((Drain, 2), (Interrupt, 3)).from_level(Kill.level) == Ladder((Interrupt, 3))
