"""The report: what a stop did, which rung ended which task, and who refused (R28)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 20
"""How many tasks `str(report)` names; `tasks` and `to_dict()` have all."""


@dataclass(slots=True)
class TaskReport:
    """How one task took being stopped."""

    name: str
    ended: str = "still running"
    """`ended before`, `returned`, `ended by Terminate`, `cancelled`, `cancelled by its parent: Terminate (REASON)`,
    `raised ValueError`, `abandoned`, `ended with the process`, `never started` (a job on a cluster) or `still
    running`."""
    rung: str | None = None
    """The rung under way when it ended; `None` if it had ended before, or runs still."""
    seconds: dict[str, float] = field(default_factory=dict)
    """For each rung it saw, the seconds it spent on it."""
    stood: dict[str, str] = field(default_factory=dict)
    """For each rung it saw, where it stood when that rung began (`file:line in function`)."""
    swallowed: list[str] = field(default_factory=list)
    """Where it caught a signal and went on (`Terminate at file:line`)."""
    refused: int = 0
    """How many awaits a Kill had to refuse it."""
    abandoned: bool = False
    """Whether its coroutine had to be left behind, unfinished, because even a Kill did not end it."""
    descendant: bool = False
    """Whether it was not a target itself, but spawned by one."""
    note: str | None = None

    @property
    def resisted(self) -> bool:
        """True if the task needs attention: still running, abandoned, killed, or it swallowed a signal."""
        return bool(self.ended == "still running" or self.abandoned or self.swallowed or self.rung == "kill")

    def __str__(self) -> str:
        rung = f" at {self.rung}" if self.rung else ""
        lines = [f"{self.name}: {self.ended}{rung}"]
        lines += [f"    {place}" for place in [self.note] if place]
        lines += [f"    at {rung} it stood at {place}" for rung, place in self.stood.items()]
        lines += [f"    swallowed {place}" for place in self.swallowed]
        if self.refused:
            lines.append(f"    refused {self.refused} more awaits{', then abandoned' if self.abandoned else ''}")
        return "\n".join(lines)


@dataclass(slots=True)
class RungReport:
    """What one rung did."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    ended: int = 0
    skipped: bool = False
    """Nobody could hear it (R26)."""


@dataclass(slots=True)
class ThreadReport:
    """A thread that a Kill has left behind, or that was still there when the process had to be ended (R30)."""

    name: str
    daemon: bool
    where: str

    def __str__(self) -> str:
        return f"thread {self.name}{' (daemon)' if self.daemon else ''} at {self.where}"


@dataclass(slots=True)
class ChildReport:
    """A process that this one, or one of its children, had started, and that was ended by force with it (R30)."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})" if self.command else str(self.pid)


@dataclass(slots=True)
class Report:
    """What a `stop()` or a `run()` did. `str()` is for people, `to_dict()` for programs."""

    ladder: str
    reason: str | None
    seconds: float
    tasks: tuple[TaskReport, ...]
    rungs: tuple[RungReport, ...]
    threads: tuple[ThreadReport, ...] = ()
    note: str | None = None
    children: tuple[ChildReport, ...] = ()

    @property
    def survivors(self) -> tuple[TaskReport, ...]:
        """The tasks that are still running, whatever was sent."""
        return tuple(task for task in self.tasks if task.ended == "still running")

    @property
    def resisted(self) -> tuple[TaskReport, ...]:
        """The tasks a person should look at: see `TaskReport.resisted`."""
        return tuple(task for task in self.tasks if task.resisted)

    @property
    def totals(self) -> dict[str, int]:
        """How many tasks ended in each way."""
        return dict(Counter(task.ended for task in self.tasks))

    @property
    def last_words(self) -> str:
        """Why the process had to be ended by force, if it had, what it took along, and the threads that kept it."""
        lines = [self.note or ""]
        if self.children:
            many = "1 child process" if len(self.children) == 1 else f"{len(self.children)} child processes"
            lines.append(f"took {many} along: {', '.join(map(str, self.children))}")
        return "\n".join([*lines, *(str(thread) for thread in self.threads)])

    def to_dict(self) -> dict[str, Any]:
        """The whole report as dicts, lists, strings and numbers, ready for JSON; times are in seconds."""
        return {**asdict(self), "totals": self.totals}

    def __str__(self) -> str:
        reason = f" (reason: {self.reason})" if self.reason else ""
        many = f"{len(self.tasks)} task{'' if len(self.tasks) == 1 else 's'}"
        head = "stopped" if not self.survivors else f"{len(self.survivors)} still running of"
        lines = [f"{head} {many} in {self.seconds:.2f} s{reason}"]
        for rung in self.rungs:
            what = "skipped: nobody can hear it" if rung.skipped else f"{rung.ended} of {rung.sent} ended"
            lines.append(f"  {rung.name:<10} {rung.seconds:6.2f} s  {what}")
        totals = sorted(self.totals.items(), key=lambda item: -item[1])
        lines.append("  " + ", ".join(f"{count} {how}" for how, count in totals) if totals else "  no task was left")
        if self.note or self.threads or self.children:
            lines += [f"  {line}" for line in self.last_words.splitlines() if line]
        for task in self.resisted[:SHOWN]:
            lines += [f"  {line}" for line in str(task).splitlines()]
        if len(self.resisted) > SHOWN:
            lines.append(f"  and {len(self.resisted) - SHOWN} more")
        return "\n".join(lines)


def merged(reports: list[Report]) -> Report:
    """One report of what the same ladder did in several loops."""
    first = reports[0]
    if len(reports) == 1:
        return first
    rungs: dict[str, RungReport] = {}
    for rung in (rung for report in reports for rung in report.rungs):
        known = rungs.setdefault(rung.name, RungReport(rung.name, skipped=True))
        known.seconds = max(known.seconds, rung.seconds)
        known.sent, known.ended = known.sent + rung.sent, known.ended + rung.ended
        known.skipped = known.skipped and rung.skipped
    tasks = tuple(task for report in reports for task in report.tasks)
    threads = tuple(thread for report in reports for thread in report.threads)
    seconds = max(report.seconds for report in reports)
    return Report(first.ladder, first.reason, seconds, tasks, tuple(rungs.values()), threads)


for _cls in (Report, TaskReport, RungReport, ThreadReport, ChildReport):
    _cls.__module__ = "sigtask"
