"""The words of the control socket: lines of JSON, one object each, in UTF-8 (docs/control.md).

    request   {"v": 1, "do": "ps"}
    answer    some lines with one of `process`, `loop`, `tasks`, `sent`, `rung`, `report`; then {"done": true},
              or {"error": "why not"}

Nothing here opens, reads or sends anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..ladder import Ladder
from ..signals import Signal, class_named
from ._text import clipped

VERSION = 1
LONGEST_REQUEST = 65_536
"""Bytes of a request, its newline included."""
LONGEST_ANSWER = 1_048_576
"""Bytes of a line of an answer."""
MOST_TASKS = 1000
LONGEST_REASON = 1000


class BadRequest(ValueError):
    """The request cannot be carried out; the text says why."""


def parse(line: bytes) -> dict[str, Any]:
    """Parse a request; every field is there and has the right type.

    Raises: `BadRequest`, for any invalid line.
    """
    try:
        said = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise BadRequest("the line is not UTF-8") from None
    except RecursionError:
        raise BadRequest("the line is nested too deeply") from None
    except ValueError as error:
        raise BadRequest(f"the line is not JSON: {str(error)[:200]}") from None
    if not isinstance(said, dict):
        raise BadRequest(f"a request is an object, and this is {_kind(said)}")
    version = said.pop("v", None)
    if type(version) is not int or version != VERSION:
        raise BadRequest(f"this process speaks version {VERSION} of the protocol: say so as v")
    do = said.pop("do", None)
    if not isinstance(do, str) or do not in _FIELDS:
        raise BadRequest(f"do is one of {', '.join(_FIELDS)}")
    fields = _FIELDS[do]
    if unknown := sorted(map(str, said.keys() - fields.keys())):
        raise BadRequest(f"{do} has no {unknown[0][:50]!r}")
    return {"do": do, **{name: read(said[name]) if name in said else read(None) for name, read in fields.items()}}


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON")


def _kind(thing: object) -> str:
    names: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(thing), "a number")


def _flag(name: str, default: bool) -> Callable[[object], bool]:
    def read(value: object) -> bool:
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadRequest(f"{name} is true or false, and this is {_kind(value)}")
        return value

    return read


def _tasks(value: object) -> list[str | int]:
    if not isinstance(value, list) or not value or len(value) > MOST_TASKS:
        raise BadRequest(f"tasks is an array of 1 to {MOST_TASKS} ids and names")
    for word in value:
        if isinstance(word, bool) or not isinstance(word, str | int):
            raise BadRequest(f"a task is named by its id or its name, not by {_kind(word)}")
    return value


def _only(value: object) -> frozenset[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MOST_TASKS or not all(type(one) is int for one in value):
        raise BadRequest(f"only is an array of at most {MOST_TASKS} ids")
    return frozenset(value)


def _reason(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_REASON:
        raise BadRequest(f"reason is a text of at most {LONGEST_REASON} characters")
    return value


def _signal(value: object) -> type[Signal]:
    if not isinstance(value, str):
        raise BadRequest("signal is a name: drain, interrupt, terminate, kill, or package.module:Class")
    _must_be_loaded(value)
    try:
        return class_named(value)
    except ValueError as error:
        raise BadRequest(f"signal: {clipped(str(error), 500)}") from None


def _ladder(value: object) -> Ladder | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_REASON:
        raise BadRequest("ladder is a text, as in drain=10s,terminate=5s,kill")
    for part in value.split(","):
        _must_be_loaded(part.partition("=")[0].strip())
    try:
        return Ladder.parse(value)
    except ValueError as error:
        raise BadRequest(f"ladder: {clipped(str(error), 500)}") from None


def _must_be_loaded(name: str) -> None:
    """A request imports nothing: a signal class of the program must have been imported by the program."""
    module, _, attribute = name.partition(":")
    if attribute and module not in sys.modules:
        raise BadRequest(f"the program has loaded no module {module[:100]!r}")


_FIELDS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "hello": {},
    "ps": {"fresh": _flag("fresh", True), "stacks": _flag("stacks", False), "only": _only},
    "send": {"signal": _signal, "tasks": _tasks, "reason": _reason, "tree": _flag("tree", False)},
    "stop": {"ladder": _ladder, "tasks": _tasks, "reason": _reason},
}


def line(**said: object) -> bytes:
    """One line of an answer or a request."""
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"


def rows_line(number: int, rows: list[str]) -> bytes:
    """A line with tasks of that loop, each of which is JSON already."""
    return f'{{"tasks":[{",".join(rows)}],"loop":{number}}}\n'.encode("ascii")
