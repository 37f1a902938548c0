"""What `explore()` gives: how many runs, where signals came in, what was found; for people, for programs, as a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """One await at which signals came in: the `number`-th suspension of the `task`-th task.

    `where` is `file:line in function`, `source` that line, `own` the line of your own that led there, where `where` is
    in a library.
    """

    task: int
    number: int
    where: str
    source: str
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One run in which something was found.

    `signal` was sent to `task` when it waited at `where`, of which `source` is the line. With `pairs`, `second` was
    sent at `second_where`. `found` says what was wrong, one sentence each; `token` repeats the run; `detail` is the
    traceback of what `check` raised; `at` are the numbers of the task and of its suspension; `late`,
    whether it was sent when the wait was about to end.
    """

    signal: str
    task: str
    where: str
    source: str
    found: tuple[str, ...]
    token: str
    second: str | None = None
    second_where: str | None = None
    detail: str = ""
    at: tuple[int, int] = (0, 0)
    late: bool = False

    def __str__(self) -> str:
        lines = [f"{self.signal} to {self.task} at {self.where}", f"    {self.source}"]
        if self.late:
            lines[0] += ", as the wait ended"
        if self.second is not None:
            lines[0] += f", then {self.second} at {self.second_where}"
        return "\n".join([*lines, *(f"  - {one}" for one in self.found), f"  repeat: {self.token!r}"])


@dataclass(frozen=True)
class Exploration:
    """What was found of one operation.

    `runs` is how many signals were tried; `points` are the awaits at which they came in; `untried` are the `await`
    expressions (`file:line in function`) of the operation's own code that were never suspended, so that nothing
    could be tried there; `notes` are what else should be known. False in a condition when something was found, or
    nothing was tried.
    """

    name: str
    runs: int
    points: tuple[Point, ...]
    untried: tuple[str, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    results: tuple[tuple[str, int, int, bool], ...] = field(default=(), repr=False)
    """Of each run with one signal: its name, the task, the point, and whether it passed."""
    again: Callable[[str], Exploration] | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.runs > 0 and not self.failures

    def assert_passed(self) -> None:
        """Nothing, when signals were tried and nothing was found.

        Raises: `AssertionError` that says all that was found, or why nothing was tried.
        """
        if not self:
            raise AssertionError(str(self))

    def repeat(self, token: str) -> Exploration:
        """Just the run of that token, once more; of `explore_async`, use `explore_async(..., only=token)`.

        Raises: `ValueError` when it is no token; `RuntimeError` in a running loop.
        """
        if self.again is None:
            raise RuntimeError(f"this Exploration cannot repeat a run: use explore(..., only={token!r})")
        return self.again(token)

    def __str__(self) -> str:
        verdict = f"{len(self.failures)} of {self.runs} runs failed" if self.failures else f"{self.runs} runs passed"
        if not self.runs:
            verdict = "nothing was tried"
        head = f"{self.name}: {verdict}, {len(self.points)} awaits, {', '.join(self.signals)}"
        parts = [head, *(f"note: {one}" for one in self.notes), *self._grouped()]
        if self.untried:
            parts += ["never suspended, so nothing was tried there:", *(f"    {one}" for one in self.untried)]
        return "\n".join(parts)

    def _grouped(self) -> Iterable[str]:
        """Failures that found the same at the same await are told once, with all their signals."""
        groups: dict[tuple[Any, ...], list[Failure]] = {}
        for one in self.failures:
            found = tuple(re.sub(r"\d+", "#", words) for words in one.found)
            key = (one.where, one.task, found, one.second, one.second_where, one.late)
            groups.setdefault(key, []).append(one)
        for group in groups.values():
            first = group[0]
            told = str(first)
            if len(group) > 1:
                signals = list(dict.fromkeys(one.signal for one in group))
                told = told.replace(first.signal, ", ".join(signals), 1)
                if more := len(group) - len(signals):
                    told += f" ({more} more like it)"
            yield told

    def to_dict(self) -> dict[str, Any]:
        """All of it, in types that JSON knows."""
        return {
            "name": self.name,
            "runs": self.runs,
            "passed": bool(self),
            "signals": list(self.signals),
            "points": [asdict(point) for point in self.points],
            "untried": list(self.untried),
            "failures": [{**asdict(one), "found": list(one.found), "at": list(one.at)} for one in self.failures],
            "notes": list(self.notes),
        }

    def to_html(self) -> str:
        """A page that needs nothing else: awaits down, signals across, green and red, failures unfolded."""
        from .page import page

        return page(self)

    def write_html(self, path: str | Path) -> None:
        """Write `to_html()` to a file."""
        Path(path).write_text(self.to_html(), "utf-8")


for _cls in (Exploration, Failure, Point):
    _cls.__module__ = "sigtask.testing"
