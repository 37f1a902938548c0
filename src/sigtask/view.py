"""What a person sees while a program is being stopped: two live lines on a terminal, else a line per rung."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .ladder import Rung
from .report import Report

if TYPE_CHECKING:
    from .runner import Supervisor


class LineView:
    """One line per rung on `stream`, and the report's summary at the end; `report_file` gets the whole of it.

    The file is JSON when its name ends in `.json`, else text.
    """

    def __init__(self, stream: TextIO | None, report_file: Path | None = None) -> None:
        self._stream = stream
        self._report_file = report_file
        self._blocked = ""

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """A line: what was sent, to how many, and how long they have."""
        self._say(f"sigtask: {supervisor.cause}: {rung.name}, {rung.grace:g} s for {_tasks(supervisor.tasks_left)}")

    def tick(self, supervisor: Supervisor) -> None:
        """A line when a rung is due and the loop does not turn; else nothing."""
        due = supervisor.rung_due
        stopping = supervisor.stopping
        ended = stopping is not None and stopping.done.done()
        if due is None or ended or (stopping is not None and stopping.rung is due) or self._blocked == due.name:
            return
        if supervisor.rung_left < due.grace - 0.2:  # else the loop may just be about to
            self._blocked = due.name
            self._say(f"sigtask: {supervisor.cause}: {due.name} is due, and {supervisor.slowest}")

    def over(self, report: Report) -> None:
        """The report's summary."""
        self._write(report)
        self._say(f"sigtask: {report}")

    def forced(self, report: Report, told: bool) -> None:
        """Why the process is ended by force."""
        self._write(report)
        self._say(f"sigtask: {report.last_words if told else report}")

    def _say(self, text: str) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # a terminal that went away must not stop the stopping
                print(text, file=self._stream, flush=True)

    def _write(self, report: Report) -> None:
        if self._report_file is None:
            return
        as_json = self._report_file.suffix == ".json"
        text = json.dumps(report.to_dict(), indent=2) if as_json else str(report)
        try:
            self._report_file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self._say(f"sigtask: the report cannot be written: {error}")


class LiveView(LineView):
    """Two lines on a terminal that stay up to date: the rung with its seconds and tasks, and where the slowest is."""

    def __init__(self, stream: TextIO, report_file: Path | None = None) -> None:
        super().__init__(stream, report_file)
        from rich.console import Console
        from rich.live import Live

        # The program's own output goes where it goes: rich must not take it over.
        self._live = Live(
            console=Console(file=stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """Show it at once."""
        self.tick(supervisor)

    def tick(self, supervisor: Supervisor) -> None:
        """Redraw the two lines."""
        from rich.text import Text

        due = supervisor.rung_due
        stopping = supervisor.stopping
        if stopping is not None and stopping.done.done():
            self._live.stop()
            return
        name = "the end" if due is None else due.name
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{supervisor.cause}  ", style="bold")
        text.append(name, style="bold yellow" if name != "kill" else "bold red")
        text.append(f"  {supervisor.rung_left:4.1f} s left  {_tasks(supervisor.tasks_left)} left\n")
        text.append(f"waiting for {supervisor.slowest}", style="dim")
        with contextlib.suppress(OSError, ValueError):
            self._live.start()
            self._live.update(text, refresh=True)

    def over(self, report: Report) -> None:
        """Take the lines away, and give the summary."""
        self._live.stop()
        super().over(report)

    def forced(self, report: Report, told: bool) -> None:
        """Take the lines away, and say why."""
        self._live.stop()
        super().forced(report, told)


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def make_view(*, quiet: bool, report_file: Path | None, stream: TextIO | None = None) -> LineView:
    """The view that fits: silent, live on a terminal that has rich, else a line per rung."""
    if quiet:
        return LineView(None, report_file)
    out: Any = stream or sys.stderr
    if out.isatty():
        with contextlib.suppress(ImportError):
            return LiveView(out, report_file)
    return LineView(out, report_file)
