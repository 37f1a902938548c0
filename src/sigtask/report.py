"""The report: what a stop did, which rung ended which task, and which tasks refused (R28)."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from .signals import clipped

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


def _named(text: str) -> str:
    """A name or a reason on one line for people: printable, and of a very long one the beginning."""
    return printable(clipped(text), keep="")


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
    """One task in a `Report`: how it ended, and what it did with the signals.

    What it did with a signal is noted when the next rung begins: nothing is noted for a task that ended before.

    Example::

        report = await stop(create_task(asyncio.sleep(3600), name="sleeper"), reason="closing")
        print(report.tasks[0].name, report.tasks[0].ended)  # sleeper ended by Terminate

    .. versionadded:: 0.1.0
    """

    name: str
    """The task's name."""
    ended: str = "still running"
    """How it ended: `ended before`, `returned`, `ended by Terminate`, `cancelled`, `raised ValueError`, `abandoned`,
    `cancelled by its parent: Terminate (REASON)`, `ended with the process`, `never started` (a job on a cluster) or
    `still running`."""
    rung: str | None = None
    """The rung in progress when it ended; `None` if it had ended before, or still runs."""
    seconds: dict[str, float] = field(default_factory=dict)
    """For each rung that it saw, the seconds it spent on it."""
    stood: dict[str, str] = field(default_factory=dict)
    """For each rung that it saw, where it was when that rung began (`file:line in function`)."""
    cleaning_up: str | None = None
    """The signal that it was still handling when the last rung began, or the report was made, and where it was
    (`Terminate at file:line in function`): in an `except`, `finally` or `with` that the signal led to, or leaving a
    `TaskGroup`, waiting for its children."""
    swallowed: list[str] = field(default_factory=list)
    """Where it caught a signal of this stop and went on, without ending by the next rung (`Terminate at file:line`).
    With "first caught at", the signal was swallowed there or in a caller."""
    refused: int = 0
    """How many more awaits the Kill had to answer."""
    abandoned: bool = False
    """Whether its coroutine was left behind, unfinished, because even a Kill did not end it."""
    descendant: bool = False
    """Whether it was not a target itself, but spawned by one."""
    note: str | None = None
    """What else to know: which mask held a signal, that a signal was caught and kept, or taken back by `catch`, `until`
    or `uncancel()`, or what a thread or a program it waited for did."""
    coroutine: str = ""
    """The `__qualname__` of its coroutine, such as `Producer.send`; empty if unknown."""
    stack: tuple[str, ...] = ()
    """Its stack when the last rung that it saw began, innermost line last, at most 50 lines, without those of asyncio
    and sigtask. Empty for a task that ended before a second rung began."""

    @property
    def resisted(self) -> bool:
        """True if the task needs attention: still running, abandoned, killed, or it swallowed a signal."""
        return bool(self.ended == "still running" or self.abandoned or self.swallowed or self.rung == "kill")

    def __str__(self) -> str:
        return printable("\n".join([f"{self._label}: {self._ending}", *self._details("it")]))

    @property
    def _label(self) -> str:
        what, name = _short(self.coroutine), _named(self.name)
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
        lines.append(f"{counted(len(group))}{what}, e.g. {_named(first.name)}: {first._ending}")
        lines += first._details("each")
    if rest := sum(map(len, entries[SHOWN:])):
        lines.append(f"and {counted(rest, 'other task')}")
    return lines


@dataclass(slots=True)
class RungReport:
    """One rung in a `Report`.

    Example::

        report = await stop(create_task(asyncio.sleep(3600)))
        print([(rung.name, rung.skipped) for rung in report.rungs])  # [('drain', True), ('terminate', False)]

    .. versionadded:: 0.1.0
    """

    name: str
    """The signal class, in lower case."""
    seconds: float = 0.0
    """How long the rung took."""
    sent: int = 0
    """How many tasks it was sent to."""
    ended: int = 0
    """How many of them ended during the rung."""
    skipped: bool = False
    """It was skipped, because no loaded code could react to it."""
    unasked: bool = False
    """It was waited out, but no task has asked for the Drain that was sent."""

    def __str__(self) -> str:
        if self.skipped:
            what = "skipped: nobody can hear it"
        else:
            what = f"{self.ended} of {self.sent} ended{': no task has asked for it' if self.unasked else ''}"
        return f"{self.name:<10} {self.seconds:6.2f} s  {what}"


@dataclass(slots=True)
class ThreadReport:
    """A thread in a `Report`: a Kill left it behind, or it was still there when the process had to be ended by force.

    Example::

        report = await stop(create_task(asyncio.sleep(3600)))
        for thread in report.threads:
            print(thread.name, "is still at", thread.where)

    .. versionadded:: 0.1.0
    """

    name: str
    """The thread's name."""
    daemon: bool
    """Whether it is a daemon thread, for which the interpreter does not wait."""
    where: str
    """Its line, and how it got there."""

    def __str__(self) -> str:
        return f"thread {self.name}{' (daemon)' if self.daemon else ''} at {self.where}"


@dataclass(slots=True)
class ChildReport:
    """A child process in a `Report`: it was ended by force together with this process.

    Example::

        report = await stop(create_task(asyncio.sleep(3600)))
        for child in report.children:
            print(child.pid, child.command)

    .. versionadded:: 0.2.0
    """

    pid: int
    """Its process id."""
    command: str
    """Its command line; empty if unknown."""

    def __str__(self) -> str:
        return f"{self.pid} ({self.command})" if self.command else str(self.pid)


@dataclass(slots=True)
class Report:
    r"""What a `stop()` or a `run()` did: which rung ended which task, after how long, and which tasks refused.

    `str(report)` is for people and shows equal tasks once; `tasks` and `to_dict()` have all of them. It shows
    characters in a name or a reason that a terminal would obey, such as escape sequences, as `\x1b`, and of a very long
    name or reason the beginning.

    Example::

        report = await stop(create_task(asyncio.sleep(3600)), reason="closing")
        print(report.reason, report.totals)  # closing {'ended by Terminate': 1}

    .. versionadded:: 0.1.0
    """

    ladder: str
    """The ladder, as text."""
    reason: str | None
    """The reason, as text."""
    seconds: float
    """How long the stop took."""
    tasks: tuple[TaskReport, ...]
    """A row for each task."""
    rungs: tuple[RungReport, ...]
    """A row for each rung."""
    threads: tuple[ThreadReport, ...] = ()
    """Threads that were left behind."""
    note: str | None = None
    """Why the process was ended by force, if it was."""
    children: tuple[ChildReport, ...] = ()
    """Child processes that were ended by force with this one."""
    pid: int = field(default_factory=os.getpid)
    """The process that was stopped, or that asked for it on a cluster."""
    began: str | None = None
    """When the stop began, in UTC and ISO 8601 (`2027-01-31T03:12:45.123+00:00`)."""
    status: int | None = None
    """The exit status of the process, `-n` if it dies of signal n. Only `sigtask run` knows it; else `None`."""

    @property
    def survivors(self) -> tuple[TaskReport, ...]:
        """The tasks that are still running."""
        return tuple(task for task in self.tasks if task.ended == "still running")

    @property
    def resisted(self) -> tuple[TaskReport, ...]:
        """The tasks that need attention; see `TaskReport.resisted`."""
        return tuple(task for task in self.tasks if task.resisted)

    @property
    def totals(self) -> dict[str, int]:
        """How many tasks ended in each way."""
        return dict(Counter(task.ended for task in self.tasks))

    @property
    def last_words(self) -> str:
        """Why the process was ended by force, the child processes ended with it, and the threads that kept it alive."""
        lines = [self.note or ""]
        if self.children:
            many = "1 child process" if len(self.children) == 1 else f"{len(self.children)} child processes"
            lines.append(f"took {many} along: {', '.join(map(str, self.children))}")
        return "\n".join([*lines, *(f"  {thread}" for thread in self.threads)])

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as dicts, lists, strings and numbers, ready for JSON. Times are in seconds."""
        return {**asdict(self), "totals": self.totals}

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write a self-contained HTML page: a bar for each task, with tasks that need attention first, and filters.

        Raises:
            OSError: When the file cannot be written.
        """
        from ._pictures.page import page

        _write(path, page(self._picture(), str(self)))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file, in the format that its name ends in.

        `.html` is a page, `.txt` is `str(report)`, `.json` is `to_dict()`, and `.trace.json` is the Trace Event Format,
        which https://ui.perfetto.dev opens.

        Raises:
            ValueError: For any other ending.
            OSError: When the file cannot be written.
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
        reason = f" (reason: {_named(self.reason)})" if self.reason else ""
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
