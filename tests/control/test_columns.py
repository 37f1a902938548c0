"""How a table of tasks fits a terminal."""

import pytest

from sigtask.control._columns import TITLES, cut, layout, width_of

CELLS = (
    "12",
    "waiting",
    "2.3 s",
    "interrupt",
    "drain",
    "worker 漢字 (worker)",
    "site-packages/shop/orders.py:120 in pay",
)


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("漢字", 4), ("h\u0301", 1), ("👍", 2), ("مرحبا", 5), ("", 0)])
def test_a_wide_character_takes_two_columns_and_an_accent_none(text, width):
    assert width_of(text) == width


@pytest.mark.parametrize("room", range(30, 200))
@pytest.mark.parametrize("signals", [True, False])
def test_a_line_is_never_wider_than_the_screen_and_always_has_the_task_and_where_it_stands(room, signals):
    columns = layout(room, longest_id=6, longest_task=30, signals=signals)
    lines = [columns.line(TITLES), columns.line(CELLS)]
    assert all(width_of(line) <= room for line in lines)
    assert "TASK" in lines[0] and "WHERE" in lines[0]
    assert lines[1].endswith(" pay")


def test_columns_stand_below_each_other_whatever_is_in_them():
    columns = layout(120, longest_id=4, longest_task=30)
    lines = [columns.line(TITLES), columns.line(CELLS)]
    starts = [width_of(line[: line.index(word)]) for line, word in zip(lines, ("WHERE", "site-p"), strict=True)]
    assert starts[0] == starts[1]


def test_at_80_columns_none_is_left_out():
    assert layout(80, longest_id=4, longest_task=30).line(TITLES).split() == [t for t in TITLES if t != "SIGNAL"]


def test_where_there_is_no_screen_nothing_is_cut():
    name = "n" * 300
    columns = layout(None, longest_id=4, longest_task=300)
    line = columns.line((*CELLS[:5], name, "w" * 300))
    assert name in line and line.endswith("w" * 300)


@pytest.mark.parametrize("width", range(1, 12))
def test_what_is_cut_has_an_ellipsis_and_fits(width):
    for end in (True, False):
        text = cut("漢字a\u0301bc漢字def", width, end=end)
        assert width_of(text) <= width and "…" in text
