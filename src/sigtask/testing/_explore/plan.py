"""What one run is to do: which signal, at which suspension of which task, and perhaps a second one; as a token.

    terminate.t0.p7               Terminate at the 7th suspension of the operation's own task
    cancel.t2.p1                  a plain `cancel()` at the 1st suspension of the 2nd task that it spawned
    terminate.t0.p7+kill@2        and a Kill at the 2nd suspension of the cleanup that the Terminate led to
    terminate.t0.p7+cancel@t1.1   and a plain `cancel()` at the 1st suspension of the cleanup of task 1
    terminate.t0.p7+kill@0        and a Kill while the Terminate is still on its way there
    terminate.t0.p7.late          Terminate when what is awaited there is done, and the task is about to wake up
    terminate.app.py:31#2         Terminate when any task is suspended in line 31 of app.py for the 2nd time

That with a line is for operations whose suspensions differ from run to run. `s0`, `s1` and so on stand for the signals
that `explore()` was given, in their order.
"""

from __future__ import annotations

import re
from asyncio import CancelledError
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...signals import KILL_LEVEL, Drain, Interrupt, Kill, Signal, Terminate

Strike = type[Signal] | Signal | type[CancelledError]
"""What is delivered: a signal, or `asyncio.CancelledError`, which stands for a plain `cancel()`."""

_FIRST = re.compile(
    r"(?P<signal>[^.+]+)\."
    r"(?:t(?P<task>\d+)\.p(?P<point>\d+)(?P<late>\.late)?|(?P<file>.+):(?P<line>\d+)#(?P<nth>\d+))"
)
_SECOND = re.compile(r"(?P<signal>[^@+]+)@(?:t(?P<task>\d+)\.)?(?P<nth>\d+)")
_KNOWN: tuple[Strike, ...] = (Drain, Interrupt, Terminate, Kill, CancelledError)


def name_of(strike: Strike, signals: Sequence[Strike] = ()) -> str:
    """As a token has it: the class's name, or where another of `signals` has that, too, `s` and its number."""
    name = _plain_name(strike)
    for number, one in enumerate(signals):
        if one is strike and any(_plain_name(other) == name for other in signals if other is not strike):
            return f"s{number}"
    return name


def _plain_name(strike: Strike) -> str:
    if strike is CancelledError:
        return "cancel"
    return (type(strike) if isinstance(strike, Signal) else strike).__name__.lower()


def level_of(strike: Strike) -> int:
    """Its level; that of a plain `cancel()` is 0."""
    return strike.level if isinstance(strike, Signal) or issubclass(strike, Signal) else 0


def stronger(first: Strike, signals: Sequence[Strike]) -> list[Strike]:
    """What may come second: whatever is stronger, and a plain `cancel()`. After a Kill there is no cleanup."""
    level = level_of(first)
    if level >= KILL_LEVEL:
        return []
    found = [one for one in signals if level_of(one) > level]
    return [*found, CancelledError]


@dataclass(frozen=True, slots=True)
class Second:
    """A second signal: at the `nth` suspension of the cleanup of the `task`-th task; 0 is before the cleanup begins."""

    signal: Strike
    task: int
    nth: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is delivered in one run, and when: by number, or else by line."""

    signal: Strike
    task: int = 0
    point: int = 0
    line: tuple[str, int] | None = None
    """`file:line`, and how many times a task has been suspended there."""
    second: Second | None = None
    late: bool = False
    """Not when the wait begins, but when it is about to end."""

    def token(self, signals: Sequence[Strike] = ()) -> str:
        """All of it in one word, for `repeat()`, when `signals` are those explored."""
        where = f"t{self.task}.p{self.point}" if self.line is None else f"{self.line[0]}#{self.line[1]}"
        token = f"{name_of(self.signal, signals)}.{where}{'.late' * self.late}"
        if (second := self.second) is None:
            return token
        task = "" if second.task == self.task else f"t{second.task}."
        return f"{token}+{name_of(second.signal, signals)}@{task}{second.nth}"


def parse(token: str, signals: Sequence[Strike]) -> Plan:
    """The plan that a token stands for.

    Raises: `ValueError` that says what is wrong with it.
    """
    if not isinstance(token, str):
        raise TypeError(f"a token is a str such as 'terminate.t0.p7', got {token!r}")
    first, plus, second = token.strip().partition("+")
    found, also = _FIRST.fullmatch(first), _SECOND.fullmatch(second)
    if found is None or (plus and also is None):
        raise ValueError(f"{token!r} is not a token; a token looks like terminate.t0.p7 or terminate.t0.p7+kill@2")
    task = int(found["task"] or 0)
    line = None if found["file"] is None else (f"{found['file']}:{found['line']}", int(found["nth"]))
    late = found["late"] is not None
    plan = Plan(_named(found["signal"], signals), task, int(found["point"] or 0), line, late=late)
    if also is None:
        return plan
    whose = task if also["task"] is None else int(also["task"])
    return replace(plan, second=Second(_named(also["signal"], signals), whose, int(also["nth"])))


def _named(name: str, signals: Sequence[Strike]) -> Strike:
    if (at := re.fullmatch(r"s(\d+)", name)) and int(at[1]) < len(signals):
        return signals[int(at[1])]
    for one in (*signals, *_KNOWN):
        if name_of(one) == name.lower():
            return one
    raise ValueError(f"{name!r} is not one of the signals: {', '.join(name_of(one, signals) for one in signals)}")
