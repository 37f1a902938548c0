"""Observers: what is told how a stop goes. The default one is the log."""

from __future__ import annotations

import logging
from typing import Protocol

from ..ladder import Ladder, Rung
from ..report import Report, counted

log = logging.getLogger("sigtask")


class Progress(Protocol):
    """What an observer may ask: how far the stop is."""

    ladder: Ladder

    @property
    def cause(self) -> str:
        """What started it: the name of the OS signal."""
        ...

    @property
    def tasks_left(self) -> int:
        """How many tasks have not ended."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether all tasks have ended."""
        ...

    @property
    def rung(self) -> Rung | None:
        """The rung that the tasks were sent last; `None` before the first."""
        ...

    @property
    def rung_due(self) -> Rung | None:
        """The rung that should be in progress by the watchdog's clock, which a blocked loop does not stop."""
        ...

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung, by the watchdog's clock."""
        ...

    @property
    def time_left(self) -> float:
        """Seconds until the process exits at the latest."""
        ...

    @property
    def slowest(self) -> str:
        """The task that is waited for, and where it is."""
        ...


class Observer(Protocol):
    """What `run(observer=)` takes: it is told how a stop goes.

    `rung` is called in the loop; `tick`, and sometimes `over`, in the watchdog's thread.
    """

    def rung(self, rung: Rung, progress: Progress) -> None:
        """A rung begins."""

    def tick(self, progress: Progress) -> None:
        """A tenth of a second has passed."""

    def over(self, report: Report) -> None:
        """The tasks have ended, or the ladder has."""

    def forced(self, report: Report, told: bool) -> None:
        """The process did not exit and is ended by force now; `told` says whether `over` was called before."""


class LogObserver:
    """Tells `logging.getLogger("sigtask")`: a line a rung, and the report, as a warning if anyone resisted.

    Each record has fields, which docs/telemetry.md lists.
    """

    def __init__(self) -> None:
        from .. import telemetry  # here: there may be no descriptor left, or no such file, when the program is stopped
        from ..telemetry import _fields

        self._telemetry, self._fields = telemetry, _fields

    def rung(self, rung: Rung, progress: Progress) -> None:
        """Log that a rung begins."""
        left, cause = progress.tasks_left, progress.cause
        fields = {self._fields.EVENT: "rung", "sigtask.rung.name": rung.name, "sigtask.rung.grace": rung.grace}
        extra = {**fields, "sigtask.stop.reason": cause, "sigtask.stop.tasks": left}
        log.info("%s: %s, %g s for %s", cause, rung.name, rung.grace, counted(left), extra=extra)

    def tick(self, progress: Progress) -> None:
        """Nothing: a log needs no updates."""

    def over(self, report: Report) -> None:
        """Log the report."""
        self._telemetry.log_report(log, report)

    def forced(self, report: Report, told: bool) -> None:
        """Log why."""
        said = report.last_words if told else report
        log.error("%s", said, extra={self._fields.EVENT: "forced", **self._fields.about_stop(report)})
