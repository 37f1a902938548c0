"""The report: what a stop did, which rung ended which task, and who refused (R28)."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

SHOWN = 20
"""How many entries `str(report)` has for tasks; `tasks` and `to_dict()` have all."""


ENDINGS = (".html", ".txt", ".trace.json", ".json")
"""How the name of a report's file may end; which one it is, the first that fits says."""


def counted(count: int, noun: str = "task") -> str:
    """`1 task`, `2 tasks`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def printable(text: str, keep: str = "\n") -> str:
    r"""The text with what is not printable written out, as in `\x1b[2J`; characters in `keep` stay as they are.

    Unpaired surrogates too, which no terminal and no file takes.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _written_out(one) for one in text)


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _all_printable(facts: Any) -> Any:
    """The same with every text in it `printable`."""
    if isinstance(facts, str):
        return printable(facts)
    if isinstance(facts, dict):
        return {key: _all_printable(value) for key, value in facts.items()}
    return [_all_printable(one) for one in facts] if isinstance(facts, (list, tuple)) else facts


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
    cleaning_up: str | None = None
    """The signal it was still answering when the last rung began, or the report was made, and where it stood: in an
    `except`, `finally` or `with` that the signal led to (`Terminate at file:line in function`)."""
    swallowed: list[str] = field(default_factory=list)
    """Where it caught a signal of this stop, went on, and had not ended by the next rung (`Terminate at file:line`)."""
    refused: int = 0
    """How many awaits a Kill had to refuse it."""
    abandoned: bool = False
    """Whether its coroutine had to be left behind, unfinished, because even a Kill did not end it."""
    descendant: bool = False
    """Whether it was not a target itself, but spawned by one."""
    note: str | None = None
    coroutine: str = ""
    """The `__qualname__` of what it runs, `Producer.send` for example; empty where that is not known."""
    stack: tuple[str, ...] = ()
    """How it came to where it stood when the last rung that it saw began, the innermost line last: of a task that had
    not ended by the rung before. Without lines of asyncio and of sigtask."""

    @property
    def resisted(self) -> bool:
        """True if the task needs attention: still running, abandoned, killed, or it swallowed a signal."""
        return bool(self.ended == "still running" or self.abandoned or self.swallowed or self.rung == "kill")

    def __str__(self) -> str:
        return printable("\n".join([f"{self._label}: {self._ending}", *self._details("it")]))

    @property
    def _label(self) -> str:
        what, name = _short(self.coroutine), printable(self.name, keep="")
        return f"{name} ({what})" if what and what != self.name else name

    @property
    def _ending(self) -> str:
        if self.rung is None or self.ended.lower() == f"ended by {self.rung}":
            return self.ended
        return f"{self.ended} at {self.rung}"

    @property
    def _urgency(self) -> int:
        """What a person wants to see first: what is still there, what could not be ended, who swallowed signals."""
        signs = (self.ended == "still running", self.abandoned, bool(self.swallowed), True)
        return signs.index(True)

    @property
    def _as_shown(self) -> tuple[object, ...]:
        """What rows have in common that `str(report)` shows as one."""
        told = (self.note, self.cleaning_up, *self.swallowed)
        return (self.coroutine, self.ended, self.rung, self.refused, self.abandoned, *self.stood.items(), told)

    def _details(self, who: str) -> list[str]:
        lines = [self.note] if self.note else []
        cleaning_up, place = (self.cleaning_up or "").split(" at ", 1) if self.cleaning_up else ("", "")
        *before, last = self.stood or ("",)
        began_in_it = bool(before) and self.stood[last] == place  # the last rung found it there
        shown = [(place, rung) for rung, place in self.stood.items() if not (began_in_it and rung == last)]
        for stood, rungs in groupby(shown, lambda one: one[0]):
            *names, name = (rung for _, rung in rungs)
            at = f"{', '.join(names)} and {name}" if names else name
            lines.append(f"at {at} {who} stood at {stood}")
        if cleaning_up:
            when = f"at {last}" if began_in_it else "in the end"
            lines.append(f"{when} {who} was still cleaning up after {cleaning_up}, at {place}")
        lines += [f"swallowed {place}" for place in self.swallowed]
        if self.abandoned:
            lines.append(f"went on after {counted(self.refused, 'Kill')}, and was abandoned")
        elif self.refused:
            lines.append(f"the Kill had to be repeated {'once' if self.refused == 1 else f'{self.refused} times'}")
        return [f"    {line}" for line in lines]


def _short(coroutine: str) -> str:
    return coroutine.rpartition("<locals>.")[2]


def _folded(
    rows: Iterable[TaskReport], key: Callable[[TaskReport], object] = lambda row: row._as_shown
) -> list[list[TaskReport]]:
    """Rows of which the key is the same together; the most urgent come first."""
    groups: dict[object, list[TaskReport]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return sorted(groups.values(), key=lambda group: group[0]._urgency)


def _grouped(rows: Iterable[TaskReport]) -> list[str]:
    """An entry for equal rows."""
    entries, lines = _folded(rows), list[str]()
    for group in entries[:SHOWN]:
        first = group[0]
        if len(group) == 1:
            lines += str(first).splitlines()
            continue
        what = f" ({name})" if (name := _short(first.coroutine)) else ""
        lines.append(f"{counted(len(group))}{what}, e.g. {printable(first.name, keep='')}: {first._ending}")
        lines += first._details("each")
    if rest := sum(map(len, entries[SHOWN:])):
        lines.append(f"and {counted(rest, 'other task')}")
    return lines


@dataclass(slots=True)
class RungReport:
    """What one rung did."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    ended: int = 0
    skipped: bool = False
    """Nobody could hear it (R26)."""
    unasked: bool = False
    """It was waited out, and nobody has looked at what it sent: a Drain that no task asks for."""

    def __str__(self) -> str:
        if self.skipped:
            what = "skipped: nobody can hear it"
        else:
            what = f"{self.ended} of {self.sent} ended{': no task has asked for it' if self.unasked else ''}"
        return f"{self.name:<10} {self.seconds:6.2f} s  {what}"


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
    pid: int = field(default_factory=os.getpid)
    """The process that was stopped, or that asked for it on a cluster."""
    began: str | None = None
    """When the stop began: in UTC, as ISO 8601 has it (`2027-01-31T03:12:45.123+00:00`)."""
    status: int | None = None
    """The exit status of the process, as far as it is known, by the command only; `-n`: it dies of signal n."""

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
        return "\n".join([*lines, *(f"  {thread}" for thread in self.threads)])

    def to_dict(self) -> dict[str, Any]:
        """The whole report as dicts, lists, strings and numbers, ready for JSON; times are in seconds."""
        return {**asdict(self), "totals": self.totals}

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write it as a page that needs nothing else, no network either: what each task did with its time.

        Raises: `OSError` when the file cannot be written.
        """
        from ._pictures.page import page

        _write(path, page(self._picture(), str(self)))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as the name ends: `.html`, `.txt`, `.json` (`to_dict()`) or `.trace.json` (for ui.perfetto.dev).

        Raises: `ValueError` for another ending; `OSError` when the file cannot be written.
        """
        name = os.fspath(path)
        if name.endswith(".html"):
            self.to_html(path)
        elif name.endswith(".txt"):
            _write(path, f"{self}\n")
        elif name.endswith(".json"):
            from ._pictures.trace import as_json, trace

            _write(path, as_json(trace(self._picture()) if name.endswith(".trace.json") else self.to_dict()))
        else:
            raise ValueError(f"{name}: a report's name must end in {', '.join(ENDINGS)}")

    def _picture(self) -> dict[str, Any]:
        """What a page or a trace draws; equal rows are one group."""
        names = [rung.name for rung in self.rungs]
        groups = [
            {
                **{name: getattr(group[0], name) for name in ("coroutine", "ended", "rung", "descendant", "stack")},
                "ending": group[0]._ending,
                "urgency": group[0]._urgency,
                "resisted": group[0].resisted,
                "said": [line.strip() for line in group[0]._details("it" if len(group) == 1 else "each")],
                "tasks": [[row.name, [row.seconds.get(name) for name in names]] for row in group],
            }
            for group in _folded(self.tasks, lambda row: (row._as_shown, row.descendant, *row.stack))
        ]
        head = ("ladder", "reason", "seconds", "pid", "began", "status", "note")
        picture = {
            **{name: getattr(self, name) for name in head},
            "said": self._said,
            "rungs": [asdict(rung) for rung in self.rungs],
            "threads": [str(thread) for thread in self.threads],
            "children": [str(child) for child in self.children],
            "groups": groups,
        }
        return _all_printable(picture)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        lines = [self._said[0], *(f"  {rung}" for rung in self.rungs)]
        if self.tasks:
            totals = sorted(self.totals.items(), key=lambda item: -item[1])
            lines.append("  " + ", ".join(f"{count} {how}" for how, count in totals))
        lines += [f"  {line}" for line in self._said[1:]]
        if self.note or self.threads or self.children:
            lines += [f"  {line.strip()}" for line in self.last_words.splitlines() if line]
        lines += [f"  {line}" for line in _grouped(self.resisted)]
        return printable("\n".join(lines))

    @property
    def _said(self) -> list[str]:
        """What happened, in a line; and how the process ends, in another, if that is known."""
        reason = f" (reason: {printable(self.reason, keep='')})" if self.reason else ""
        head = "stopped" if not self.survivors else f"{len(self.survivors)} still running of"
        what = f"{head} {counted(len(self.tasks))}" if self.tasks else "there was no task to stop; ended"
        lines = [f"{what} in {self.seconds:.2f} s{reason}"]
        if self.status is not None:
            since = f", told to stop at {self.began}," if self.began else ""
            how = f"with status {self.status}" if self.status >= 0 else f"by {signal.Signals(-self.status).name}"
            lines.append(f"process {self.pid}{since} ends {how}")
        return lines


def _write(path: str | os.PathLike[str], text: str) -> None:
    """A name may hold what UTF-8 has no bytes for: it is shown as an escape."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)


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
        known.skipped, known.unasked = known.skipped and rung.skipped, known.unasked or rung.unasked
    tasks = tuple(task for report in reports for task in report.tasks)
    threads = tuple(thread for report in reports for thread in report.threads)
    seconds = max(report.seconds for report in reports)
    return Report(first.ladder, first.reason, seconds, tasks, tuple(rungs.values()), threads, began=first.began)


for _cls in (Report, TaskReport, RungReport, ThreadReport, ChildReport):
    _cls.__module__ = "sigtask"
