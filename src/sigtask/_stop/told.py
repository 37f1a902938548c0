"""Listeners that get the report of every stop: telemetry. There are none unless it is switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..report import Report

By = Literal["stop", "run", "force"]
"""Whose report it is: of `stop()`, of a program, of a process that is ended by force, now."""

listeners: tuple[Callable[[Report, By], object], ...] = ()
"""They may not raise."""


def told(report: Report, by: By) -> Report:
    """Pass the report to all listeners, and return it."""
    for listener in listeners:
        listener(report, by)
    return report
