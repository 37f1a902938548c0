"""What a person sees while a program is being stopped: two live lines on a terminal, else a line per rung."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, TextIO

from ..ladder import Rung
from ..report import Report, counted

if TYPE_CHECKING:
    from .supervisor import Supervisor

PATIENCE = 0.3
"""Seconds to wait for what is being written; a terminal on hold (Ctrl-S) or a full pipe must not stop the stopping."""

SAVE, RESTORE, BOLD, DIM, PLAIN = "\x1b7", "\x1b8", "\x1b[1m", "\x1b[2m", "\x1b[m"
LINGER = 6
"""Ticks for which a process without tasks is let be, before a line says what it waits for."""


class _Pen:
    """Does what writes on the screen, piece by piece, in a thread of its own, so that it can hold up nobody else."""

    def __init__(self) -> None:
        self._pieces: SimpleQueue[tuple[Callable[[], object], threading.Event]] = SimpleQueue()
        self._last = threading.Event()
        self._last.set()
        self._stuck = False
        threading.Thread(target=self._run, name="sigtask-view", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        """Whether something is being written still."""
        return not self._last.is_set()

    def write(self, piece: Callable[[], object]) -> None:
        """Have it done, and wait until it is, but not for long, and not again once the stream was found stuck."""
        self._last = done = threading.Event()
        self._pieces.put((piece, done))
        self._stuck = not done.wait(0 if self._stuck else PATIENCE)

    def _run(self) -> None:
        while True:
            piece, done = self._pieces.get()
            with contextlib.suppress(OSError, ValueError):  # a terminal that went away, a stream that was closed
                piece()
            done.set()


class LineView:
    """One line per rung on `stream`, and the report's summary at the end; `report_file` gets the whole of it.

    The file is JSON when its name ends in `.json`, else text.
    """

    def __init__(self, stream: TextIO | None, report_file: Path | None = None) -> None:
        self._stream = stream
        self._report_file = report_file
        self._blocked = ""
        self._lingering = 0
        self._pen = _Pen()

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """A line: what was sent, to how many, and how long they have."""
        self._say(f"sigtask: {supervisor.cause}: {rung.name}, {rung.grace:g} s for {counted(supervisor.tasks_left)}")

    def tick(self, supervisor: Supervisor) -> None:
        """A line when a rung is due and the loop does not turn, or when the process outlives its tasks."""
        due = supervisor.rung_due
        stopping = supervisor.stopping
        if stopping is not None and stopping.done.done():
            self._linger(supervisor)
            return
        if due is None or (stopping is not None and stopping.rung is due) or self._blocked == due.name:
            return
        if supervisor.rung_left < due.grace - 0.2:  # else the loop may just be about to
            self._blocked = due.name
            self._say(f"sigtask: {supervisor.cause}: {due.name} is due, and {supervisor.slowest}")

    def _linger(self, supervisor: Supervisor) -> None:
        self._lingering += 1
        if self._lingering == LINGER:
            left = f"{supervisor.time_left:.1f} s left"
            self._say(f"sigtask: no task is left, but the process is: {left}, waiting for {supervisor.slowest}")

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
            stream = self._stream
            self._pen.write(lambda: _put(f"{text}\n", stream))

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
    """Two lines at the bottom of a terminal that stay up to date: the rung with its seconds, and who is waited for.

    The lines above are the program's own: they scroll in a region of their own, so that neither writes over the other.
    """

    def __init__(self, stream: TextIO, report_file: Path | None = None) -> None:
        super().__init__(stream, report_file)
        self._closed = False
        self._size = (0, 0)
        """Columns and rows the region was set up for; none when it is not."""

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """Show it at once."""
        self.tick(supervisor)

    def tick(self, supervisor: Supervisor) -> None:
        """Redraw the two lines."""
        if self._pen.is_busy:
            return
        stopping = supervisor.stopping
        if stopping is not None and stopping.done.done():
            self._linger(supervisor)
            return
        due = supervisor.rung_due
        name = "the end" if due is None else due.name
        rungs = supervisor.ladder.rungs
        after = rungs[rungs.index(due) + 1 :] if due is not None else ()
        then = after[0].name if after else "the process is ended"
        tasks = f"{counted(supervisor.tasks_left)} left"
        head = f"{supervisor.cause}  {name}  {supervisor.rung_left:4.1f} s, then {then}  ({tasks})"
        slowest = supervisor.slowest.replace("the loop is blocked", "the loop: blocked")
        below = re.sub(r"\S*site-packages/", "", f"waiting for {slowest}")
        self._pen.write(lambda: self._draw(head, below))

    def _draw(self, *lines: str) -> None:
        if self._closed or self._stream is None:
            return
        size = os.get_terminal_size(self._stream.fileno())
        columns, rows = size
        out = ""
        if size != self._size:  # make room, and let the program have the rest
            self._size = size
            out += "\n" * len(lines) + f"{SAVE}\x1b[1;{rows - len(lines)}r{RESTORE}\x1b[{len(lines)}A"
        out += SAVE
        for row, line in enumerate(lines, rows - len(lines) + 1):
            text = line if len(line) < columns else line[: columns - 2] + "…"
            out += f"\x1b[{row};1H{BOLD if line is lines[0] else DIM}{text}{PLAIN}\x1b[K"
        _put(out + RESTORE, self._stream)

    def _say(self, text: str) -> None:
        """Take the lines away for good, and say it."""
        self._pen.write(self._close)
        super()._say(text)

    def _close(self) -> None:
        self._closed = True
        rows, self._size = self._size[1], (0, 0)
        if rows and self._stream is not None:
            _put(f"{SAVE}\x1b[{rows - 1};1H\x1b[J\x1b[r{RESTORE}", self._stream)


def _put(text: str, stream: TextIO) -> None:
    """Write it past the stream's buffer: with what stays in there, the interpreter would make the exit status 120."""
    try:
        fd = stream.fileno()
    except OSError:  # one that is no file
        print(text, end="", file=stream, flush=True)
        return
    stream.flush()
    data = text.encode(stream.encoding or "utf-8", "backslashreplace")
    while data:
        data = data[os.write(fd, data) :]


def make_view(*, quiet: bool, report_file: Path | None, stream: TextIO | None = None) -> LineView:
    """The view that fits: silent, live on a terminal, else a line per rung."""
    out = stream or sys.stderr
    if quiet or out is None:  # Python has no sys.stderr when it was closed beforehand
        return LineView(None, report_file)
    return LiveView(out, report_file) if _is_screen(out) else LineView(out, report_file)


def _is_screen(stream: TextIO) -> bool:
    """Whether it is a terminal that can be drawn on, and has the room."""
    try:
        return (
            stream.isatty()
            and os.environ.get("TERM", "dumb") != "dumb"
            and min(os.get_terminal_size(stream.fileno())) > 5
        )
    except (OSError, ValueError):
        return False
