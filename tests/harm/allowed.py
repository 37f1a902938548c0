"""The improvements that are allowed: in what sigtask may differ from plain Python, why, and how that is checked.

Nothing else may differ. An entry covers some of the differences of a case, and only where its condition holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from comparing import LADDER_TIME, SLACK, Case, differences

CLEANUP = "cleanup"
"""Lines of a shape that begin so tell of its own cleanup."""
TORN = "torn"
"""Lines of a shape that begin so tell that its cleanup was cut short."""


RANKS = ("same", "better", "worse")


@dataclass(frozen=True)
class Improvement:
    """One way of being better: what it covers of what `differences` names, and when."""

    letter: str
    name: str
    reason: str
    covers: frozenset[str]
    holds: Callable[[Case], bool]


@dataclass(frozen=True)
class Verdict:
    """`same`, `better` (by which improvements) or `worse` (in what)."""

    word: str
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.word} ({', '.join(self.why)})" if self.why else self.word


def judge(case: Case) -> Verdict:
    """What is to be said of a case."""
    found, by = differences(case), []
    for improvement in ALLOWED:
        if found.keys() & improvement.covers and improvement.holds(case):
            found = {what: sentence for what, sentence in found.items() if what not in improvement.covers}
            by.append(improvement.letter)
    if found:
        return Verdict("worse", tuple(found.values()))
    return Verdict("better", tuple(by)) if by else Verdict("same")


def judge_both(first: Case, second: Case) -> Verdict:
    """What is to be said of a case that was worse, and has been run again by itself, plain Python as well.

    That it took too long is forgiven once. Each of our two outcomes in lines, status and so on must be as good as one
    of plain Python's: where these differ, it is plain Python that has a race.
    """
    in_time = replace(first, ours=replace(first.ours, took=0.0))
    judged = [min((judge(replace(case, plain=p)) for p in (case.plain, other.plain)), key=_rank)
              for case, other in ((in_time, second), (second, first))]  # fmt: skip
    return max(reversed(judged), key=_rank)


def _rank(verdict: Verdict) -> int:
    return RANKS.index(verdict.word)


def _by_signal(case: Case) -> bool:
    """Whether ours died of a signal that it got, was ended by force on account of it, or as the shape says it ends."""
    own = {int(case.shape.one("ends"))} if "ends" in case.shape.head else set()
    return case.ours.status in {sign for n in case.stimulus.signals for sign in (-n, 128 + n)} | own


def _bounded(case: Case) -> bool:
    return case.plain_hangs and _by_signal(case) and case.ours.took <= LADDER_TIME + SLACK + _pauses(case)


def _pauses(case: Case) -> float:
    return sum(step for step in case.stimulus.steps if isinstance(step, float))


def _died(case: Case) -> bool:
    """Whether plain Python died of a signal at once."""
    return case.plain.status is not None and -case.plain.status in case.stimulus.signals


def _in_time(case: Case) -> bool:
    return case.ours.took <= case.plain.took + LADDER_TIME + SLACK


def _cleaned_up(case: Case) -> bool:
    """Ours says what plain says, in that order, and besides that only of cleanup, and nothing twice."""
    if not case.extra and not case.missing:
        return False
    extra, kept = case.extra, [line for line in case.plain.lines if not line.startswith(TORN)]
    rest = iter(case.ours.lines)
    in_order = "order" in case.shape.head or all(line in rest for line in kept)
    once = len(set(case.ours.lines)) - len(case.ours.lines) >= len(set(kept)) - len(kept)
    only_cleanup = all(line.startswith(CLEANUP) for line in extra)
    return only_cleanup and once and in_order and all(line.startswith(TORN) for line in case.missing) and _in_time(case)


def _raised_143(case: Case) -> bool:
    return case.way == "own" and case.plain.status == -15 and case.ours.status == 143 and not case.ours.forced


def _as_on_ctrl_c(case: Case) -> bool:
    """Ours does, line by line, what plain Python does on a Ctrl-C, where the program then ends by its own choice."""
    there, ours = case.interrupted, case.ours
    chosen = there.status is not None and there.status >= 0 and not ours.forced
    return (
        case.plain.status == -15
        and chosen
        and (_ordered(case, there.lines), there.status) == (_ordered(case, ours.lines), ours.status)
    )


def _two_as_one(case: Case) -> bool:
    """Ours is no worse than plain on the first of two alone, and of what plain does on both it lacks nothing whole."""
    whole = [line for line in case.missing if not line.startswith(TORN)]
    if not case.stimulus.is_double or whole:
        return False
    return judge(replace(case, plain=case.once, stimulus=case.stimulus.first)).word != "worse"


def _grace(case: Case) -> bool:
    """The end that plain Python comes to at once, later: by the same signal, or by force on account of it."""
    ours, by = case.ours, -(case.plain.status or 0)
    late = (ours.forced and ours.status == 128 + by) or _raised_143(case)
    given = case.shape.said_for("grace", case.stimulus)
    return bool(given) and _died(case) and (ours.status == -by or late) and _in_time(case)


def _raised_system_exit(case: Case) -> bool:
    """It was not at an end at once, as plain Python is, but made something of the SystemExit."""
    ended = case.ours.status is not None and not case.ours.forced and _in_time(case)
    return bool(case.shape.said_for("exit", case.stimulus)) and _died(case) and ended and not case.missing


def _ordered(case: Case, lines: tuple[str, ...]) -> list[str]:
    return sorted(lines) if "order" in case.shape.head else list(lines)


def _fewer_left(case: Case) -> bool:
    plain, ours = case.plain, case.ours
    return len(ours.children) <= len(plain.children) and len(ours.files) <= len(plain.files) and ours.port <= plain.port


ALLOWED = (
    Improvement(
        "a", "bounded where plain hangs",
        "Plain Python did not end the program and it had to be killed; ours was gone in its ladder's time, by the "
        "signal that it was told by, with 128 + n where the watchdog ended it by "
        "force, or in its own way once nothing kept it (the shape says with which status).",
        frozenset({"status"}), _bounded,
    ),
    Improvement(
        "b", "cleaned up where plain skips",
        "Ours printed all that plain printed, in that order, and besides that only lines of the program's own cleanup, "
        "which plain Python skips or tears (it dies of a SIGTERM at once). What a cleanup takes is its own time.",
        frozenset({"lines", "time"}), _cleaned_up,
    ),
    Improvement(
        "c", "143 for `sigtask.run()`",
        "Plain Python dies of the SIGTERM. `sigtask.run()` raises `SystemExit(143)`, so that all that stands around it "
        "is left in order: 128 + 15, which is also what a shell says of a program that died of it.",
        frozenset({"status"}), _raised_143,
    ),
    Improvement(
        "d", "less is left behind",
        "Plain Python left processes, an open port or temporary files; ours left fewer.",
        frozenset({"children", "files", "port"}), _fewer_left,
    ),
    Improvement(
        "e", "a grace passes",
        "Plain Python dies of the signal at once; ours gives the program its ladder's grace, for it cannot know that "
        "the program has nothing to clean up: its loop is blocked, or a task refuses. It is gone in the ladder's time, "
        "by the same signal, or with 128 + n where the watchdog ended it by force.",
        frozenset({"time", "status"}), _grace,
    ),
    Improvement(
        "f", "the program's own end",
        "Plain Python dies of the SIGTERM at once. The program cleans up and then ends by its own choice: its `main` "
        "returns, exits or fails. Lines and status are those of a Ctrl-C under plain Python.",
        frozenset({"status"}), _as_on_ctrl_c,
    ),
    Improvement(
        "g", "two as one",
        "Two of one signal came within half a second, as from a wrapper that passes on what the program had already. "
        "In plain Python the second tears the cleanup; ours does what plain Python does on one, or better, and all "
        "handlers that plain calls are called.",
        frozenset({"lines", "status", "time"}), _two_as_one,
    ),
    Improvement(
        "h", "SystemExit is for the program",
        "Plain Python dies of the SIGTERM at once; under sigtask `SystemExit(143)` is raised, so that `finally` and "
        "`atexit` are done. These programs catch it and say themselves what becomes of it: a test runner counts a "
        "failed test, and goes on. It ended in the ladder's time, not by force, and did all that plain does.",
        frozenset({"lines", "status", "time"}), _raised_system_exit,
    ),
)  # fmt: skip
