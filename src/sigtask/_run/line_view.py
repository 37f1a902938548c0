"""The view without a terminal: one line per rung on stderr."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TextIO

from .._core.stock import running_loop
from ..control._text import shown
from ..ladder import Rung
from ..report import Report, counted, printable
from .deaf import start_deaf
from .observer import Progress

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 0.3
"""Seconds to wait for what is being written; a terminal on hold (Ctrl-S) or a full pipe must not stop the stopping."""
LINGER = 6
"""Ticks for which a process without tasks is let be, before a line says what it waits for."""


class Pen:
    """Writes in a thread of its own, so that a stuck stream blocks nothing else."""

    def __init__(self) -> None:
        self._pieces: SimpleQueue[tuple[Callable[[], object], threading.Event] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.RLock()  # reentrant: a signal handler may write
        self._last = threading.Event()
        self._last.set()
        self._stuck = False

    @property
    def is_busy(self) -> bool:
        """Whether something is still being written."""
        return not self._last.is_set()

    def write(self, piece: Callable[[], object]) -> None:
        """Have it done, and wait until it is, but not for long, and not again once the stream was found stuck.

        Nor in a loop, which has other things to do; asyncio's debugging would complain, on the stream that is stuck.
        """
        self._last = done = threading.Event()
        self._pieces.put((piece, done))
        if not self._has_thread():
            self._pieces.put(None)
            self._run()
        if running_loop() is None:
            self._stuck = not done.wait(0 if self._stuck else PATIENCE)

    def put_away(self) -> None:
        """Let the thread end when everything is written. The next piece gets a new thread."""
        with self._starting:
            if self._thread is not None:
                self._thread = None
                self._pieces.put(None)

    def _has_thread(self) -> bool:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="sigtask-view", daemon=True)
                with contextlib.suppress(RuntimeError):  # at its exit, an interpreter starts none (3.12)
                    start_deaf(thread)
                    self._thread = thread
            return self._thread is not None

    def _run(self) -> None:
        while (work := self._pieces.get()) is not None:
            piece, done = work
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone, or the stream is closed
                piece()
            done.set()


class LineView:
    """One line per rung on `stream`, and the report's summary at the end; `report_file` gets the whole of it.

    The file is what its name ends in (`Report.write`). Each line begins with `name`.
    """

    def __init__(self, stream: TextIO | None, report_file: Path | None = None, name: str = "sigtask") -> None:
        self._stream = stream
        self._name = name
        self._report_file = report_file
        self._blocked = ""
        self._lingering = 0
        self._pen = Pen()

    def rung(self, rung: Rung, progress: Progress) -> None:
        """Write a line: the rung, the number of tasks, and the seconds they have."""
        said = f"{progress.cause}: {rung.name}, {rung.grace:g} s for {counted(progress.tasks_left)}"
        self._tell("rung", said, **_facts(progress, rung))

    def tick(self, progress: Progress) -> None:
        """Write a line when a rung is due but the loop is blocked, or when the process outlives its tasks."""
        due = progress.rung_due
        if progress.is_over:
            self._linger(progress)
            return
        if due is None or progress.rung is due or self._blocked == due.name:
            return
        if progress.rung_left < due.grace - 0.2:  # otherwise the loop may be about to
            self._blocked = due.name
            said = f"{progress.cause}: {due.name} is due, and {progress.slowest}"
            self._tell("due", said, "warning", **_facts(progress, due))

    def _linger(self, progress: Progress) -> None:
        self._lingering += 1
        if self._lingering == LINGER:
            left = f"{progress.time_left:.1f} s left"
            said = f"no task runs here, but the process does: {left}, waiting for {progress.slowest}"
            self._tell("lingering", said, "warning", **_facts(progress))

    def over(self, report: Report) -> None:
        """The report's summary."""
        self._write(report)
        self._tell("report", str(report), "warning" if report.resisted else "info", report=report)
        self._pen.put_away()

    def forced(self, report: Report, told: bool) -> None:
        """Why the process is ended by force; and then the file, for which there may be too little time."""
        self._tell("forced", report.last_words if told else str(report), "error", report=report)
        self._write(report)

    def _tell(self, event: str, said: str, level: str = "info", **facts: object) -> None:
        """What happened, in the words of a person; a view for programs has the rest, too."""
        self._say(printable(f"{self._name}: {said}"))

    def _say(self, text: str) -> None:
        if self._stream is not None:
            stream, safe = self._stream, shown(text, "\n")
            self._pen.write(lambda: put(f"{safe}\n", stream))

    def _write(self, report: Report) -> None:
        if self._report_file is None:
            return
        try:
            report.write(self._report_file)
        except OSError as error:
            self._tell("report", f"the report cannot be written: {error}", "error")


def _facts(progress: Progress, rung: Rung | None = None) -> dict[str, Any]:
    about = {} if rung is None else {"rung": rung.name, "grace": rung.grace}
    return {"signal": progress.cause, **about, "tasks": progress.tasks_left}


def put(text: str, stream: TextIO) -> None:
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
