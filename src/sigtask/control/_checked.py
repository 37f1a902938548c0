"""What another process says, as far as it is what the protocol has: it may say anything, and root may ask anybody's."""

from __future__ import annotations

import math
from typing import Any

_NUMBERS = ("now", "began")
_WHOLE_NUMBERS = ("loops", "tasks", "uid")


def number(value: object) -> float | None:
    """It, if it is a number that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def process_of(said: object, pid: int) -> dict[str, Any] | None:
    """What the process with that number says of itself; what is wrong in it is left out."""
    if not isinstance(said, dict):
        return None
    numbers = {name: number(said.get(name)) for name in _NUMBERS}
    whole = {name: said[name] for name in _WHOLE_NUMBERS if type(said.get(name)) is int}
    texts = {name: text for name, text in said.items() if isinstance(text, str)}
    children = said.get("children")
    stopping = said.get("stopping")
    return {
        **texts,
        **whole,
        **numbers,
        "pid": pid,
        "stopping": _stopping_of(stopping) if isinstance(stopping, dict) else None,
        "children": [one for one in children if _is_child(one)] if isinstance(children, list) else [],
    }


def _stopping_of(said: dict[str, Any]) -> dict[str, Any] | None:
    left, tasks = number(said.get("rung_left")), said.get("left")
    if left is None:
        return None
    texts = {name: text for name in ("cause", "rung", "then", "slowest") if isinstance(text := said.get(name), str)}
    return {"rung": None, "then": None, **texts, "rung_left": left, "left": tasks if type(tasks) is int else 0}


def _is_child(said: object) -> bool:
    return isinstance(said, dict) and type(said.get("pid")) is int and isinstance(said.get("command"), str)


def loop_of(said: object) -> dict[str, Any] | None:
    """What is said of a loop: texts and whole numbers."""
    if not isinstance(said, dict):
        return None
    return {name: value for name, value in said.items() if isinstance(value, str) or type(value) is int}


def rows_of(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of tasks in that line that are such, each with the number of its loop."""
    rows, loop = said.get("tasks"), said.get("loop")
    if not isinstance(rows, list):
        return []
    return [{**row, "loop": loop if type(loop) is int else None} for row in rows if _is_row(row)]


def objects_in(said: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in the list of that name."""
    found = said.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or type(row.get("id")) is not int or not _is_time(row.get("born")):
        return False
    force, pending, stack = row.get("in_force"), row.get("pending"), row.get("stack")
    return (
        (force is None or _is_signal(force))
        and (pending is None or (isinstance(pending, list) and all(map(_is_signal, pending))))
        and (stack is None or (isinstance(stack, list) and all(isinstance(place, str) for place in stack)))
        and all(type(row.get(name)) is int or row.get(name) is None for name in ("parent", "threshold"))
        and all(isinstance(row.get(name), str | None) for name in ("name", "coroutine", "state", "where", "error"))
    )


def _is_signal(said: object) -> bool:
    return (
        isinstance(said, dict)
        and type(said.get("level")) is int
        and _is_time(said.get("sent_at"))
        and all(isinstance(said.get(name), str | None) for name in ("signal", "reason", "sender", "fate"))
    )


def _is_time(said: object) -> bool:
    return said is None or number(said) is not None
