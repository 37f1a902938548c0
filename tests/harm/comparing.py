"""A program under sigtask beside the same program under plain Python: what differs, and whether that may be."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass

from observing import BOUND, Seen
from reading import Shape
from stimuli import Stimulus

SLACK = 0.5
"""Seconds: what is below is not looked at, on a machine that does other things as well."""
LADDER = "drain=2s,terminate=1.5s,kill=500ms"
LADDER_TIME = 4.0 + 1.0
"""Its seconds, and the one that the watchdog adds."""


@dataclass(frozen=True)
class Case:
    """One shape, run in one way, with one stimulus; and what it did under plain Python."""

    shape: Shape
    way: str
    stimulus: Stimulus
    plain: Seen
    ours: Seen
    interrupted: Seen
    """What it does under plain Python on one SIGINT."""
    once: Seen
    """What it does under plain Python on the first of these signals alone."""

    def __str__(self) -> str:
        return f"{self.shape.name}, {self.way}, {self.stimulus.name}"

    @property
    def plain_hangs(self) -> bool:
        """Whether plain Python did not end it, and was meant to."""
        return self.plain.status is None and not self.shape.lives_after(self.stimulus)

    @property
    def extra(self) -> list[str]:
        """The lines that ours has and plain has not."""
        return [*(Counter(self.ours.lines) - Counter(self.plain.lines)).elements()]

    @property
    def missing(self) -> list[str]:
        """The lines that plain has and ours has not."""
        return [*(Counter(self.plain.lines) - Counter(self.ours.lines)).elements()]


def differences(case: Case) -> dict[str, str]:
    """What differs, each with a sentence: `ready`, `lines`, `status`, `children`, `port`, `files`, `time` and more."""
    plain, ours = case.plain, case.ours
    if not ours.ready:
        return {"ready": f"it did not get as far as `ready`: status {ours.status}"}
    found = {"lines": _lines(case), "status": _status(case), "time": _time(case), "must": _must(case)}
    for what in ("children", "files"):
        theirs, left = getattr(plain, what), getattr(ours, what)
        if len(theirs) != len(left):
            found[what] = f"{what} left: {', '.join(left) or 'none'}; plain: {', '.join(theirs) or 'none'}"
    if ours.port != plain.port:
        found["port"] = f"the port is {'open' if ours.port else 'closed'}; plain: {'open' if plain.port else 'closed'}"
    if "stderr" in case.shape.head:
        more = [*(Counter(ours.stderr) - Counter(plain.stderr)).elements()]
        found["stderr"] = f"it prints more on stderr: {more}" if more else ""
    return {what: sentence for what, sentence in found.items() if sentence}


def _lines(case: Case) -> str:
    plain, ours = case.plain.lines, case.ours.lines
    if "order" in case.shape.head:
        plain, ours = tuple(sorted(plain)), tuple(sorted(ours))
    if plain == ours:
        return ""
    if case.extra or case.missing:
        return f"lines missing: {case.missing}, more than plain: {case.extra}"
    return "the lines come in another order"


def _status(case: Case) -> str:
    plain, ours = case.plain.status, case.ours.status
    if plain == ours:
        still = case.plain_hangs and case.stimulus.stops and case.way != "plain"
        return f"it had not ended after {BOUND:g} s: no ladder bounds it (plain hangs as well)" if still else ""
    return f"status {_said(ours)}; plain: {_said(plain)}"


def _said(status: int | None) -> str:
    if status is None:
        return f"none, it had not ended after {BOUND:g} s"
    return f"{status} ({signal.Signals(-status).name})" if status < 0 else str(status)


def _time(case: Case) -> str:
    slack = SLACK + float(case.shape.one("slack", "0").partition(" ")[0])
    if case.ours.took <= case.plain.took + slack:
        return ""
    return f"it took {case.ours.took:.1f} s; plain: {case.plain.took:.1f} s"


def _must(case: Case) -> str:
    must = case.shape.said_for("must", case.stimulus) if case.way != "plain" else []
    lacks = [line for line in must if line not in case.ours.lines]
    return f"it must say {lacks}" if lacks else ""
