"""What `explore()` gives: how many runs, where signals came in, what was found; for people, for programs, as a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...report import counted


@dataclass(frozen=True, slots=True)
class Point:
    """One await at which signals were sent: the `number`-th suspension of the `task`-th task.

    `where` is `file:line in function` and `source` that line. When `where` is in a library, `own` is the line of your
    own code that led there.

    Example::

        async def pause():
            await asyncio.sleep(1)

        for point in explore(pause, signals=Terminate).points:
            print(point.source)  # await asyncio.sleep(1)

    .. versionadded:: 0.2.0
    """

    task: int
    number: int
    where: str
    source: str
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One run in which something was wrong.

    `signal` was sent to `task` while it waited at `where`; `source` is that line. With `pairs`, the `second` signal was
    sent at `second_where`. `found` lists what was wrong, one sentence each. `token` repeats the run. `detail` is the
    traceback of what `check` raised. `at` has the numbers of the task and of its suspension. `late` is true if the
    signal was sent as the wait ended.

    Example::

        async def fragile():
            try:
                await asyncio.sleep(1)
            except Terminate as signal:
                raise KeyError("oops") from signal

        for failure in explore(fragile, signals=Terminate, reuse=False).failures:
            print(failure.token)  # terminate.t0.p1

    .. versionadded:: 0.2.0
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
    """The result of exploring one operation. False in a condition when something failed or nothing was tried.

    `runs` is the number of signals tried and `points` the awaits at which they were sent. `untried` lists the `await`
    expressions (`file:line in function`) of the operation's own code that were never suspended, so nothing could be
    tried there. `failures` lists what was wrong and `notes` what else you should know. `str()` is a summary for people.

    Example::

        async def pause():
            await asyncio.sleep(1)

        found = explore(pause, signals=Terminate)
        print(found.runs, len(found.failures))  # 1 0

    .. versionadded:: 0.2.0
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
        """Do nothing when signals were tried and nothing failed.

        Raises:
            AssertionError: With all failures, or with the reason why nothing was tried.
        """
        if not self:
            raise AssertionError(str(self))

    def repeat(self, token: str) -> Exploration:
        """Repeat only the run with that token. For `explore_async`, call `explore_async(..., only=token)` instead.

        Raises:
            ValueError: When it is not a token.
            RuntimeError: In a running loop, and for the result of `explore_async`.
        """
        if self.again is None:
            raise RuntimeError(f"this Exploration cannot repeat a run: use explore(..., only={token!r})")
        return self.again(token)

    def __str__(self) -> str:
        verdict = f"{len(self.failures)} of {self.runs} runs failed" if self.failures else f"{self.runs} runs passed"
        if not self.runs:
            verdict = "nothing was tried"
        head = f"{self.name}: {verdict}, {counted(len(self.points), 'await')}, {', '.join(self.signals)}"
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
        """Return all of it as dicts, lists, strings and numbers, ready for JSON."""
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
        """Return a self-contained HTML page: one row per await, one column per signal, with the failures below."""
        from .page import page

        return page(self)

    def write_html(self, path: str | Path) -> None:
        """Write `to_html()` to a file.

        Raises:
            OSError: When the file cannot be written.
        """
        Path(path).write_text(self.to_html(), "utf-8")


for _cls in (Exploration, Failure, Point):
    _cls.__module__ = "sigtask.testing"
