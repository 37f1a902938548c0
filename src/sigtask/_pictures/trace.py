"""A report in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open: a track per task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LADDER = 1
"""The track of the ladder itself; those of the tasks are numbered from there: to Perfetto, 0 is the idle thread."""


def trace(picture: Mapping[str, Any]) -> dict[str, Any]:
    """What `Report._picture()` gives, as a trace. Times count from the moment at which the stop began."""
    about = {name: picture[name] for name in ("ladder", "reason", "began", "status", "note", "threads", "children")}
    return {"traceEvents": list(_events(picture)), "displayTimeUnit": "ms", "otherData": about}


def _events(picture: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    pid, at, begins = picture["pid"], 0.0, [0]
    yield _named("process_name", pid, _LADDER, f"sigtask: {picture['said'][0]}")
    yield _named("thread_name", pid, _LADDER, f"ladder {picture['ladder']}")
    for rung in picture["rungs"]:
        at += rung["seconds"]
        begins.append(_micros(at))
        yield _span(rung["name"], pid, _LADDER, begins[-2], begins[-1], rung)
    track = _LADDER
    for group in picture["groups"]:
        about = {name: group[name] for name in ("coroutine", "ended", "descendant", "stack", "said")}
        for name, seconds in group["tasks"]:
            track += 1
            yield _named("thread_name", pid, track, name)
            yield {**_named("thread_sort_index", pid, track, name), "args": {"sort_index": track}}
            spans = list(_spans(begins, seconds))
            for rung, begin, end in spans:
                yield _span(picture["rungs"][rung]["name"], pid, track, begin, end, about)
            end = spans[-1][2] if spans else 0
            yield {"name": group["ending"], "ph": "i", "s": "t", "cat": "end", **_where(pid, track, end)}


def _spans(begins: list[int], seconds: list[float | None]) -> Iterator[tuple[int, int, int]]:
    """Of each rung that a task saw: its place in the ladder, and when its span begins and ends.

    Perfetto drops a span that begins before the one before it on its track has ended, by a microsecond, too.
    """
    seen = [(at, spent) for at, spent in enumerate(seconds) if spent is not None]
    for at, spent in seen:
        end = begins[at] + _micros(spent)
        yield at, begins[at], end if at == seen[-1][0] else min(end, begins[at + 1])


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)


def _where(pid: int, track: int, micros: int) -> dict[str, Any]:
    return {"pid": pid, "tid": track, "ts": micros}


def _named(what: str, pid: int, track: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": track, "args": {"name": name}}


def _span(name: str, pid: int, track: int, begin: int, end: int, about: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "ph": "X", "cat": "rung", **_where(pid, track, begin), "dur": end - begin, "args": about}


def as_json(facts: Any) -> str:
    """JSON for a file: a report's is indented, for people; a trace's is not, as it is long, and wanted soon."""
    return json.dumps(facts, indent=None if "traceEvents" in facts else 2) + "\n"
