"""The rows of the table, their goals, and what each contender's number is held against."""

from __future__ import annotations

from dataclasses import dataclass

from counting import Ratio

SIZES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Row:
    """One thing that is measured."""

    letter: str
    name: str
    """The workload's."""
    title: str
    goal: float | None = None
    """At most so many times what stock asyncio takes."""
    counted: int = 500
    timed: int = 10_000


TASKS = (
    Row("a", "step", "a step: `sleep(0)`", 1.01),
    Row("a", "pingpong", "ping-pong by futures, a wake-up", 1.01),
    Row("a", "queue", "hand-over by a queue", 1.01),
    Row("a", "chain", "a step, 20 awaits deep", 1.01),
    Row("b", "finish", "start, and finish", 1.08),
    Row("b", "spawn", "start, and await", 1.08, timed=5_000),
    Row("b", "group", "through a TaskGroup of 100", 1.08),
    Row("b", "gather", "by gather of 1,000", 1.08, 1000),
    Row("b", "await", "await one that is done", 1.08, timed=50_000),
)
SIGNALS = (
    Row("d", "done", "to done, no reason", 1.25, timed=2_500),
    Row("d", "reason", "to done, with a reason", 1.25, timed=2_500),
    Row("d", "handled", "to handled by `except`", 1.25, timed=2_500),
    Row("d", "caught", "to handled by `catch`", 1.25, timed=2_500),
    Row("d", "frames", "through 10 coroutines", 1.25, timed=2_500),
    Row("d", "links", "through 10 tasks", 1.25, 60, 300),
    Row("d", "tellgroup", "through a TaskGroup of 1,000, per child", 1.25, 1000, 3_000),
)
BLOCKS = (
    Row("g", "mask", "`mask`, or a shield", 1 / 12),
    Row("g", "accept", "`accept`, or a scope, or `timeout`", 1.0),
    Row("g", "catch", "`catch`, or a scope, or `timeout`", 1.0),
)
STOPS = (Row("e", "stop", "stop of 1,000, with its report", 1.3, 1000),)
"""Counted; the larger ones are measured by the clock alone."""
IDLE = Row("c", "idle", "bytes per idle task", 1.10)
IN_PROCESS = (*TASKS, *SIGNALS, *BLOCKS)


@dataclass(frozen=True)
class Key:
    """Which numbers: of a row, in a metric, on a loop."""

    row: str
    metric: str
    loop: str


Numbers = dict[Key, dict[str, list[float]]]
"""By contender, one number per round."""

RUN, PAUSE = Key("run", "wall", "asyncio"), Key("pause", "wall", "asyncio")
CROWD, MILLION = Key("crowd:200000", "cpu", "asyncio"), Key("crowd:1000000", "cpu", "asyncio")

EXPLORE, SWEEP = Key("explore", "cpu", "asyncio"), Key("sweep", "cpu", "asyncio")


@dataclass(frozen=True)
class Whole:
    """A whole program (`crowds.py`)."""

    letter: str
    title: str
    key: Key
    scale: float
    """From seconds to the unit in the title."""


PROGRAMS = (
    Whole("i", "200,000 tasks told by Ctrl-C, us of processor each", CROWD, 1e6),
    Whole("i", "1,000,000 tasks told by Ctrl-C, us of processor each", MILLION, 1e6),
    Whole("i", "longest pause of the loop while 100,000 end, ms", PAUSE, 1e3),
    Whole("j", "a program that does nothing, us", RUN, 1e6),
)


@dataclass(frozen=True)
class Goal:
    """A number of ours, held against another."""

    letter: str
    text: str
    ours: Key
    other: Key | None
    """`None`: the number itself is what counts."""
    than: str
    """The contender of the other number."""
    limit: float
    at_least: bool = False

    def ratio(self, numbers: Numbers) -> Ratio | None:
        """What came of it; `None` when one of the two was not measured."""
        if self.other is not None:
            return ratio(numbers, self.ours, "sigtask", self.other, self.than)
        found = numbers.get(self.ours, {}).get("sigtask")
        return Ratio.of(found, [1.0] * len(found)) if found else None

    def kept(self, found: Ratio) -> bool:
        """Whether that is good enough."""
        return found.middle >= self.limit if self.at_least else found.middle <= self.limit


def ratio(numbers: Numbers, key: Key, contender: str, other: Key, than: str) -> Ratio | None:
    """One contender's number as a multiple of another's, round by round."""
    ours, theirs = numbers.get(key, {}).get(contender), numbers.get(other, {}).get(than)
    if not ours or not theirs:
        return None
    rounds = min(len(ours), len(theirs))
    return Ratio.of(ours[:rounds], theirs[:rounds])


def goals(loop: str = "asyncio") -> list[Goal]:
    """All of them, in the order of the rows."""
    found: list[Goal] = []
    for row in (*TASKS, IDLE, *SIGNALS, *STOPS):
        key = Key(row.name, "bytes" if row is IDLE else "count", loop)
        if row.goal is not None:
            counted = ", instructions" if row in STOPS else ""
            found.append(Goal(row.letter, row.title + counted, key, key, "stock", row.goal))
    for size in SIZES:
        key = Key(f"stop:{size}", "cpu", loop)
        found.append(Goal("e", f"stop of {size:,}, to `cancel()` and `asyncio.wait`", key, key, "stock", 1.3))
        found.append(Goal("e", f"stop of {size:,}, to anyio's scope", key, key, "anyio", 1 / 1.7))
    small, large = Key(f"stop:{SIZES[1]}", "cpu", loop), Key(f"stop:{SIZES[-1]}", "cpu", loop)
    found.append(Goal("e", "per task, 1,000,000 to 10,000", large, small, "sigtask", 1.15))
    for size in SIZES:
        deaf, stop = Key(f"deaf:{size}", "cpu", loop), Key(f"stop:{size}", "cpu", loop)
        found.append(Goal("f", f"{size:,} with 1 % deaf, to the same without", deaf, stop, "sigtask", 1.5))
    for metric, unit in (("count", "instructions"), ("wall", "time")):
        mask = Key("mask", metric, loop)
        found.append(Goal("g", f"`mask` to `asyncio.shield`, {unit}", mask, mask, "stock", 1 / 12))
        found.append(Goal("g", f"`mask` to anyio's shield, {unit}", mask, mask, "anyio", 1 / 4))
    for row in BLOCKS[1:]:
        key, title = Key(row.name, "count", loop), row.title.partition(",")[0]
        found.append(Goal("g", f"{title} to `asyncio.timeout`, instructions", key, key, "stock", 1.0))
    for server in ("aiohttp", "uvicorn"):
        key = Key(server, "rate", loop)
        found.append(Goal("h", f"{server}, requests per second", key, key, "stock", 0.99, at_least=True))
    found += [
        Goal("i", "200,000 tasks under `run()`, to asyncio's cancel-all", CROWD, CROWD, "stock", 1.5),
        Goal("i", "seconds of the longest pause, 100,000 tasks", PAUSE, None, "", 0.1),
        Goal("j", "`run()` of nothing, to `asyncio.run`", RUN, RUN, "stock", 1.5),
        Goal("k", "`explore()`, to its operation run plainly as often", EXPLORE, EXPLORE, "stock", 1.5),
        Goal("k", "`explore()` of ten awaits, to cancellens's sweep", SWEEP, SWEEP, "cancellens", 1 / 3),
    ]
    return found
