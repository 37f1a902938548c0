"""Who is told of the report of every stop: telemetry. Nobody, as long as nobody asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..report import Report

By = Literal["stop", "run", "force"]
"""Whose report it is: of `stop()`, of a program, of a process that is ended by force, now."""

listeners: tuple[Callable[[Report, By], object], ...] = ()
"""They may not raise."""


def told(report: Report, by: By) -> Report:
    """The same report, of which everybody has been told."""
    for listener in listeners:
        listener(report, by)
    return report
