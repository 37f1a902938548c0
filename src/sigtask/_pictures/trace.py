"""A report in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open: a track per task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LADDER = 1
"""The track of the ladder itself; those of the tasks are numbered from there: to Perfetto, 0 is the idle thread."""


def trace(picture: Mapping[str, Any]) -> dict[str, Any]:
    """What `Report._picture()` gives, as a trace. Times count from the moment at which the stop began."""
    about = {name: picture[name] for name in ("ladder", "reason", "began", "status", "note")}
    return {"traceEvents": list(_events(picture)), "displayTimeUnit": "ms", "otherData": about}


def _events(picture: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    pid, at, begins = picture["pid"], 0.0, list[float]()
    yield _named("process_name", pid, _LADDER, f"sigtask: {picture['said'][0]}")
    yield _named("thread_name", pid, _LADDER, f"ladder {picture['ladder']}")
    for rung in picture["rungs"]:
        begins.append(at)
        yield _span(rung["name"], pid, _LADDER, at, rung["seconds"], rung)
        at += rung["seconds"]
    track = _LADDER
    for group in picture["groups"]:
        about = {name: group[name] for name in ("coroutine", "ended", "descendant", "stack", "said")}
        for name, seconds in group["tasks"]:
            track += 1
            yield _named("thread_name", pid, track, name)
            yield {**_named("thread_sort_index", pid, track, name), "args": {"sort_index": track}}
            end = 0.0
            for rung, begin, spent in zip(picture["rungs"], begins, seconds, strict=True):
                if spent is not None:
                    end = begin + spent
                    yield _span(rung["name"], pid, track, begin, spent, about)
            yield {"name": group["ending"], "ph": "i", "s": "t", "cat": "end", **_where(pid, track, end)}


def _where(pid: int, track: int, seconds: float) -> dict[str, Any]:
    return {"pid": pid, "tid": track, "ts": round(seconds * 1e6)}


def _named(what: str, pid: int, track: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": track, "args": {"name": name}}


def _span(name: str, pid: int, track: int, begin: float, seconds: float, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "ph": "X",
        "cat": "rung",
        **_where(pid, track, begin),
        "dur": round(seconds * 1e6),
        "args": about,
    }


def as_json(facts: Any) -> str:
    """JSON for a file: a report's is indented, for people; a trace's is not, as it is long, and wanted soon."""
    return json.dumps(facts, indent=None if "traceEvents" in facts else 2) + "\n"
