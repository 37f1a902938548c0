"""The report of `sigtask stop`, made of what the process has said."""

from __future__ import annotations

from typing import Any

from ..report import ChildReport, Report, RungReport, TaskReport, ThreadReport
from ._client import Unreachable


def _row(told: dict[str, Any]) -> TaskReport:
    fields: dict[str, Any] = {**told, "stack": tuple(told["stack"])}
    return TaskReport(**fields)


def report_of(pid: int, facts: dict[str, Any], tasks: list[Any]) -> Report:
    """What `Report.to_dict()` gave there, and its tasks, as a report. Raises: `Unreachable` where it is none."""
    try:
        told = {name: value for name, value in facts.items() if name not in ("totals", "tasks")}
        for name, kind in (("rungs", RungReport), ("threads", ThreadReport), ("children", ChildReport)):
            told[name] = tuple(kind(**one) for one in told[name])
        rows = tuple(_row(row) for row in tasks)
        report = Report(tasks=rows, **told)
        for look in (str, Report._picture):  # every part of it is looked at: another process may have said anything
            look(report)
    except Exception as error:
        what = f"process {pid} has sent what is no report: {type(error).__name__}"
        raise Unreachable(what) from error
    return report
