"""Ladders: which signals to send, weakest first, and how long to wait after each (R24).

Everything here is a function of elapsed seconds; nothing reads a clock.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

from .signals import Drain, Kill, Signal, Terminate, class_named

KILL_GRACE = 1.0
"""Seconds that a Kill rung without a grace of its own waits: a killed task needs two turns of the loop."""

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_CLOSE = 1e-6  # a rung that is over but for a microsecond is over: timers fire a little early


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a `Ladder`: a signal class, and the seconds to wait for it to work.

    Example::

        rung = Ladder((Terminate, 5), Kill).rungs[0]
        print(rung.name, rung.grace)  # terminate 5.0

    .. versionadded:: 0.1.0
    """

    signal: type[Signal]
    """The class that is sent."""
    grace: float
    """Seconds to wait, from the moment its signal has been delivered."""
    name: str = field(init=False, repr=False, compare=False)
    """The signal class's name in lower case, as `Ladder.parse` takes it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.signal.__name__.lower())


class Ladder:
    """A list of signals of rising strength, each with a grace period in seconds.

    `stop()` and `run()` send each in turn until all tasks have ended. Ladders are immutable, hashable and equal by
    value. `str()` gives text that `parse` takes, unless a rung is a signal class of your own: that is shown by its name
    in lower case, without its module.

    Args:
        rungs: Pairs `(signal class, seconds)`, weakest first. `Kill` may be given without seconds; it then has 1.
        limit: How many seconds tasks may add with `extend()`, in all.

    Raises:
        TypeError: For a rung that is not a signal class with a number of seconds.
        ValueError: Without rungs; when the levels do not rise; for seconds that are negative or not finite.

    Example::

        ladder = Ladder((Drain, 10), (Terminate, 5), Kill)
        print(ladder)  # drain=10s,terminate=5s,kill=1s
        print(ladder == Ladder.parse("drain=10s,terminate=5s,kill"))  # True

    .. versionadded:: 0.1.0
    """

    __slots__ = ("limit", "rungs")

    rungs: tuple[Rung, ...]
    """The rungs, weakest first."""
    limit: float
    """Seconds that `extend()` may add, in all."""

    def __init__(self, *rungs: tuple[type[Signal], float] | type[Signal] | Rung, limit: float = 0.0) -> None:
        made = tuple(_rung(rung) for rung in rungs)
        if not made:
            raise ValueError("a ladder needs at least one rung, for example Ladder((Terminate, 5), Kill)")
        for low, high in zip(made, made[1:], strict=False):
            if high.signal.level <= low.signal.level:
                raise ValueError(
                    f"the ladder does not rise: {high.name} (level {high.signal.level}) comes after "
                    f"{low.name} (level {low.signal.level}); put the weaker signal first, and each level once"
                )
        object.__setattr__(self, "rungs", made)
        object.__setattr__(self, "limit", _seconds(limit, "limit"))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Ladder cannot be changed ({name}={value!r:.200}); make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Ladder cannot be changed (del {name}); make a new one")

    @classmethod
    def parse(cls, text: str) -> Ladder:
        """Make the ladder that `text` describes, for example `"drain=10s,terminate=5s,kill"`.

        Args:
            text: Rungs, separated by commas. A rung is a name (`drain`, `interrupt`, `terminate`, `kill`, or
                `package.module:Class` for your own), `=`, and a time in `ms`, `s`, `m` or `h`; without a unit, in
                seconds. `limit=30s` sets the limit.

        Raises:
            TypeError: When `text` is not a string.
            ValueError: When `text` is not a ladder. The message names the part that is wrong.
        """
        if not isinstance(text, str):
            raise TypeError(f"Ladder.parse() takes text such as 'drain=10s,kill', got {text!r:.200}")
        rungs: list[tuple[type[Signal], float] | type[Signal]] = []
        limit = 0.0
        for part in text.split(","):
            name, given, duration = (piece.strip() for piece in part.partition("="))
            if name == "limit":
                limit = _duration(duration, part)
                continue
            signal = _class(name, part)
            if not given and not issubclass(signal, Kill):
                raise ValueError(f"in the ladder, {part.strip()!r:.200} needs a grace; write it as {name}=10s")
            rungs.append((signal, _duration(duration, part)) if given else signal)
        return cls(*rungs, limit=limit)

    @property
    def total(self) -> float:
        """Seconds from the first signal to the end of the last grace period."""
        return sum(rung.grace for rung in self.rungs)

    @property
    def before_kill(self) -> float:
        """Seconds from the first signal to the first Kill; without a Kill, the same as `total`."""
        return sum(rung.grace for rung in self.rungs if not issubclass(rung.signal, Kill))

    def start(self, index: int) -> float:
        """Seconds from the start of the ladder to the start of that rung."""
        return sum(rung.grace for rung in self.rungs[:index])

    def index_at(self, elapsed: float) -> int:
        """The index of the rung that is in progress after `elapsed` seconds; `len(rungs)` when the ladder is over."""
        end = 0.0
        for index, rung in enumerate(self.rungs):
            end += rung.grace
            if elapsed < end - _CLOSE:
                return index
        return len(self.rungs)

    def left(self, elapsed: float) -> float:
        """Seconds until the next rung, or until the end of the ladder; 0 when it is over."""
        return max(0.0, self.start(self.index_at(elapsed) + 1) - elapsed)

    def within(self, seconds: float) -> Ladder:
        """The same rungs in at most that many seconds, the limit included. Each is shortened in proportion."""
        seconds = max(0.0, seconds)
        if self.total + self.limit <= seconds:
            return self
        if self.total <= seconds:
            return Ladder(*self.rungs, limit=seconds - self.total)
        share = seconds / self.total if seconds > _CLOSE else 0.0
        if sum(rung.grace * share for rung in self.rungs) > seconds:
            share *= 1 - 1e-12  # rounding has added a hair, by which the ladder outside would be exceeded
        return Ladder(*((rung.signal, rung.grace * share) for rung in self.rungs))

    def from_level(self, level: int) -> Ladder:
        """The rungs at that level and above; the strongest one if there are none."""
        rungs = tuple(rung for rung in self.rungs if rung.signal.level >= level) or self.rungs[-1:]
        return Ladder(*rungs, limit=self.limit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ladder) and (self.rungs, self.limit) == (other.rungs, other.limit)

    def __hash__(self) -> int:
        return hash((self.rungs, self.limit))

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (self.rungs, self.limit)

    def __str__(self) -> str:
        parts = [f"{rung.name}={rung.grace:g}s" for rung in self.rungs]
        return ",".join(parts + ([f"limit={self.limit:g}s"] if self.limit else []))

    def __repr__(self) -> str:
        return f"<Ladder {self}>"


def _revive(rungs: tuple[Rung, ...], limit: float) -> Ladder:
    return Ladder(*rungs, limit=limit)


def _rung(what: object) -> Rung:
    given: Any = what
    if isinstance(what, Rung):
        given = (what.signal, what.grace)
    elif not (isinstance(given, tuple) and len(given) == 2):
        given = (given, None)
    signal: Any = given[0]
    grace: Any = given[1]
    if not (isinstance(signal, type) and issubclass(signal, Signal) and signal is not Signal):
        raise TypeError(f"a rung is a signal class with its grace, such as (Drain, 10), got {what!r:.200}")
    if grace is None:
        if not issubclass(signal, Kill):
            raise TypeError(f"the rung {signal.__name__} needs a grace: ({signal.__name__}, seconds)")
        grace = KILL_GRACE
    return Rung(signal, _seconds(grace, f"the grace of {signal.__name__.lower()}"))


def _seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is {value!r:.200}; it must be a number of seconds")
    if not (0 <= value <= sys.float_info.max):
        raise ValueError(f"{what} is {value!r:.200}; it must be 0 or more, and finite")
    return float(value)


def _duration(text: str, part: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise ValueError(f"in the ladder, {part.strip()!r:.200}: {error}") from None


def duration(text: str) -> float:
    """The seconds that `text` says, as in `500ms`, `10s`, `10`, `2m`, `1h`. Raises: `ValueError` for anything else."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text)
    if found is None:
        raise ValueError(f"{text!r:.200} is not a duration; write it as 10s, 500ms or 2m")
    return float(found[1]) * _UNITS[found[2]]


def _class(name: str, part: str) -> type[Signal]:
    try:
        return class_named(name)
    except ValueError as error:
        raise ValueError(f"in the ladder, {part.strip()!r:.200}: {error}") from None


DEFAULT = Ladder((Drain, 10), (Terminate, 5), Kill)
"""The ladder used when none is given: drain 10 s, terminate 5 s, kill."""

for _cls in (Ladder, Rung):
    _cls.__module__ = "sigtask"
