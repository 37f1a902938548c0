"""The view for log collectors: one JSON object per line."""

from __future__ import annotations

import json
import os
import time

from ..report import Report
from .line_view import LineView


class JsonView(LineView):
    """What `LineView` says, each as an object with `time` (ISO 8601, UTC), `level`, `event`, `message` and `pid`.

    `event` is `rung`, `due`, `lingering`, `report`, `forced` or `stacks`. With it come `signal`, `rung`, `grace` and
    `tasks`, where there are such; `report` and `forced` have the whole report, as its `to_dict()`.
    """

    def stacks(self, text: str) -> None:
        """Where all threads stand when the process is ended by force: in place of the watchdog's own plain text."""
        self._tell("stacks", text, "error")

    def _tell(self, event: str, said: str, level: str = "info", **facts: object) -> None:
        report = facts.get("report")
        if isinstance(report, Report):
            cause = (report.reason or "").partition(":")[0]
            facts = {"signal": cause if cause.startswith("SIG") else None, "report": report.to_dict()}
            said = said.strip().partition("\n")[0]
        self._say(as_line(event, said, level, **facts))


def as_line(event: str, message: str, level: str, **facts: object) -> str:
    """The object as JSON; what JSON has no word for is text."""
    now = time.time()
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
    said = {"time": at, "level": level, "event": event, "message": message, "pid": os.getpid(), **facts}
    return json.dumps(said, default=str)
