"""A table of tasks on a terminal: which columns there is room for, and text in so many columns of the screen.

A letter takes one column, a Chinese one or an emoji two, an accent that stands above another none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category, east_asian_width

TITLES = ("ID", "STATE", "AGE", "HEARS", "SIGNAL", "TASK", "WHERE")
_WIDTHS = {"STATE": 7, "AGE": 7, "HEARS": 9, "SIGNAL": 9}
_AT_THE_RIGHT = ("ID", "AGE")
_LEAST_TELLING = ("HEARS", "AGE", "STATE", "SIGNAL")
_NEEDED = 40
"""Columns for the tasks and where they stand, below which other columns make way."""
_LONGEST_TASK = 80


@dataclass(frozen=True)
class Layout:
    """Which columns are shown, and how wide each is; texts are cut only where there is a screen."""

    widths: dict[str, int]
    is_cut: bool

    def line(self, cells: Sequence[str]) -> str:
        """What stands in the columns of `TITLES`, beside each other."""
        texts: dict[str, str] = dict(zip(TITLES, cells, strict=True))
        where, width = texts["WHERE"], self.widths["WHERE"]
        before = [self._fitted(title, texts[title], width) for title, width in self.widths.items() if title != "WHERE"]
        return "  ".join([*before, cut(where, width, end=True) if self.is_cut else where])

    def _fitted(self, title: str, text: str, width: int) -> str:
        text = cut(text, width) if self.is_cut else text
        space = " " * (width - width_of(text))
        return space + text if title in _AT_THE_RIGHT else text + space

    @property
    def indent(self) -> int:
        """Where the tasks begin."""
        return sum(width + 2 for title, width in self.widths.items() if title not in ("TASK", "WHERE"))


def layout(room: int | None, *, longest_id: int, longest_task: int, signals: bool = False) -> Layout:
    """What fits into so many columns; all that there is, where that is `None`. The least telling columns go first."""
    small = {"ID": max(4, longest_id), **_WIDTHS}
    if not signals:
        del small["SIGNAL"]
    for title in _LEAST_TELLING:
        if room is None or room - _taken(small) >= _NEEDED:
            break
        small.pop(title, None)
    left = _NEEDED if room is None else max(10, room - _taken(small) - 2)
    task = max(4, min(longest_task, _LONGEST_TASK if room is None else left // 2))
    return Layout({**small, "TASK": task, "WHERE": max(1, left - task)}, is_cut=room is not None)


def _taken(small: dict[str, int]) -> int:
    return sum(width + 2 for width in small.values())


def width_of(text: str) -> int:
    """How many columns of a terminal it takes."""
    return len(text) if text.isascii() else sum(map(_width_of_char, text))


def _width_of_char(char: str) -> int:
    return 2 if east_asian_width(char) in "WF" else 0 if category(char) in ("Mn", "Me") else 1


def cut(text: str, width: int, *, end: bool = False) -> str:
    """The beginning of it, or the `end`, and an ellipsis, where it is wider than that."""
    if width_of(text) <= width:
        return text
    left, kept = width - 1, ""
    for char in reversed(text) if end else text:
        if (left := left - _width_of_char(char)) < 0:
            break
        kept = char + kept if end else kept + char
    return "…" + kept if end else kept + "…"
