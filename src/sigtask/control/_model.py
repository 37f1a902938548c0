"""What is known about a program, and how `sigtask ps` and `sigtask top` show it.

All text from another process goes through `shown` before it is printed on a terminal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..report import counted
from ..signals import Drain, Interrupt, Kill, Terminate
from ._checked import loop_of, process_of, rows_of
from ._client import Connection, Declined, Unreachable
from ._columns import cut
from ._text import duration, shown, stop_lines

Row = dict[str, Any]
FATES = {
    "pending": "pending, until it asks for it or its blocks let it in",
    "in flight": "sent",
    "delivered": "delivered",
    "absorbed": "absorbed: it is handling one as strong, or has such a one pending",
    "superseded": "superseded by a stronger one",
    "refused": "it was done already",
    "cancelled": "sent as a plain cancel(), to a task of asyncio's own class",
    "not sent": "not sent: a task of asyncio's own class hears nothing below a terminate",
    "waiting for the loop": "it gets it when the loop turns again",
}
"""What became of a signal, for people."""
DEEPEST = 20
"""Levels of the tree that are drawn; below, a line says how deep it stands."""
ALIKE = 4
"""From so many on, tasks that are alike and stand beside each other are shown as one."""


@dataclass
class Program:
    """One process at one moment."""

    process: dict[str, Any] = field(default_factory=dict)
    loops: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: list[Row] = field(default_factory=list)
    children: list[Program | dict[str, Any]] = field(default_factory=list)
    """The processes below it: those that can be looked at as programs, others as their `pid` and `command`."""

    @property
    def pid(self) -> int:
        """Its number."""
        pid = self.process.get("pid")
        return pid if isinstance(pid, int) else 0

    def put(self, rows: list[Row]) -> None:
        """These rows are newer."""
        newer = {row["id"]: row for row in rows}
        self.tasks = [newer.get(row["id"], row) for row in self.tasks]

    def age(self, since: float | None) -> float | None:
        """Seconds from that moment, on the process's clock, to when it was looked at."""
        now = self.process.get("now")
        return None if since is None or now is None else max(0.0, now - since)


def look(
    connection: Connection,
    *,
    fresh: bool = True,
    stacks: bool = False,
    family: bool = True,
    only: list[int] | None = None,
) -> Program:
    """Look at that process and its children. Raises: `Declined`, `Unreachable`."""
    program = Program()
    for said in connection.ask("ps", fresh=fresh, stacks=stacks, only=only):
        program.tasks.extend(rows_of(said))
        if (process := process_of(said.get("process"), connection.pid)) is not None:
            program.process = process
        elif (loop := loop_of(said.get("loop"))) is not None:
            program.loops.setdefault(str(loop.get("number")), {}).update(loop)
    if family:
        program.children = _below(program, stacks=stacks)
    return program


def _below(program: Program, *, stacks: bool) -> list[Program | dict[str, Any]]:
    """Its children. Each process lists all its descendants, so one level is enough."""
    found: list[Program | dict[str, Any]] = []
    for child in program.process.get("children") or ():
        pid = child["pid"]
        with contextlib.suppress(Unreachable, Declined):
            with Connection(pid) as connection:
                found.append(look(connection, stacks=stacks, family=False))
            continue
        found.append(child)
    return found


# -- for programs -----------------------------------------------------------------------------------------------------


def as_objects(program: Program) -> Iterator[Row]:
    """What `ps --json` prints for each task, including those of child processes."""
    for row in program.tasks:
        force = row.get("in_force")
        yield {
            "pid": program.pid,
            "loop": row.get("loop"),
            **{name: row.get(name) for name in ("id", "name", "coroutine", "state", "parent", "threshold")},
            "pending": [_object(one, program) for one in row.get("pending") or ()],
            "in_force": None if force is None else _object(force, program),
            "age": _rounded(program.age(row.get("born"))),
            "where": row.get("where"),
            **({"stack": row["stack"]} if "stack" in row else {}),
        }
    for child in program.children:
        if isinstance(child, Program):
            yield from as_objects(child)


def _object(one: dict[str, Any], program: Program) -> dict[str, Any]:
    told = {name: one.get(name) for name in ("signal", "level", "reason", "sender", "fate")}
    return {**told, "age": _rounded(program.age(one.get("sent_at")))}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


# -- in order ---------------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """One line of the table: a task, or several that are alike."""

    row: Row
    prefix: str = ""
    alike: list[Row] = field(default_factory=list)
    """Others that are alike, and are not shown themselves."""


SORTS: dict[str, Callable[[Row], Any]] = {
    "id": lambda row: row["id"],
    "name": lambda row: str(row.get("name")),
    "coroutine": lambda row: (str(row.get("coroutine")), row["id"]),
    "state": lambda row: (str(row.get("state")), row["id"]),
    "age": lambda row: (row.get("born") or 0.0, row["id"]),
    "where": lambda row: (str(row.get("where")), row["id"]),
    "signals": lambda row: (-_strength(row), row["id"]),
}


def _strength(row: Row) -> int:
    force = row.get("in_force") or {}
    return max([force.get("level") or 0, *(one.get("level") or 0 for one in row.get("pending") or ())])


def arranged(rows: Iterable[Row], sort: str = "tree", *, fold: bool = True) -> list[Line]:
    """The rows in order. In a `tree`, children are below the task that spawned them."""
    if sort != "tree":
        return [Line(row) for row in sorted(rows, key=SORTS[sort])]
    known = {row["id"]: row for row in rows}
    below: dict[Any, list[Row]] = {}
    for row in sorted(known.values(), key=SORTS["id"]):
        parent = row.get("parent")
        below.setdefault(parent if parent in known and parent != row["id"] else None, []).append(row)
    lines = []
    todo = [(line, "") for line in reversed(_folded(below.pop(None, []), below, fold))]
    while todo:
        line, indent = todo.pop()
        lines.append(line)
        children = _folded(below.pop(line.row["id"], []), below, fold)
        for at, child in enumerate(reversed(children)):
            last = at == 0
            deep = len(indent) // 3
            child.prefix = f"{indent}{'└─ ' if last else '├─ '}" if deep < DEEPEST else f"{indent[:-3]} … "
            todo.append((child, (indent + ("   " if last else "│  ")) if deep < DEEPEST else indent))
    for rest in below.values():  # a ring of parents, which only a hostile process tells of
        lines.extend(Line(row) for row in rest)
    return lines


def _folded(rows: list[Row], below: dict[Any, list[Row]], fold: bool) -> list[Line]:
    if not fold:
        return [Line(row) for row in rows]
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = row["id"] if row["id"] in below else _likeness(row)
        groups.setdefault(key, []).append(row)
    lines: list[Line] = []
    for group in groups.values():
        if len(group) >= ALIKE:
            lines.append(Line(group[0], alike=group[1:]))
        else:
            lines.extend(Line(row) for row in group)
    return sorted(lines, key=lambda line: SORTS["id"](line.row))


def _likeness(row: Row) -> tuple[object, ...]:
    signals = [row.get("in_force") or {}, *(row.get("pending") or ())]
    told = str([(one.get("signal"), one.get("reason"), one.get("fate")) for one in signals])
    return (row.get("coroutine"), row.get("state"), row.get("threshold"), row.get("where"), row.get("loop"), told)


# -- as text ----------------------------------------------------------------------------------------------------------


def label(row: Row) -> str:
    """Its name, and its coroutine unless the name says as much."""
    name, what = shown(str(row.get("name"))), shown(str(row.get("coroutine") or "").rpartition("<locals>.")[2])
    return f"{name} ({what})" if what and what != name else name


def hears(row: Row) -> str:
    """The weakest signal that is thrown into it now; weaker ones are pending. `None` for a stock task."""
    threshold = row.get("threshold")
    if not isinstance(threshold, int):
        return "-"
    levels = (Drain, Interrupt, Terminate, Kill)
    return next((cls.__name__.lower() for cls in levels if cls.level >= threshold), "kill")


def signals_of(row: Row, program: Program) -> list[str]:
    """Its signals, one line each: the one it is handling, and those that are pending."""
    force = row.get("in_force")
    said = [] if force is None else [_signal("in force", force, program)]
    return said + [_signal(str(one.get("fate")), one, program) for one in row.get("pending") or ()]


def _signal(how: str, one: dict[str, Any], program: Program) -> str:
    reason = "" if one.get("reason") is None else f": {one['reason']}"
    sender = "" if one.get("sender") is None else f"  (from {one['sender']})"
    age = duration(program.age(one.get("sent_at")))
    return shown(f"{how}: {one.get('signal')} since {age}{reason}{sender}")


def loop_line(loop: dict[str, Any]) -> str:
    """`loop 1 in MainThread: blocked at app.py:9 in block`."""
    where = f" at {loop['where']}" if loop.get("where") else ""
    stale = f"; {loop['stale']} rows are some seconds old" if loop.get("stale") else ""
    return shown(f"loop {loop.get('number')} in {loop.get('thread')}: {loop.get('state')}{where}{stale}")


def stop_of(program: Program) -> list[str]:
    """How the stop of the program goes, in two lines; none if it is not being stopped."""
    told = program.process.get("stopping")
    if told is None:
        return []
    cause, rung, then, slowest = (told.get(name) for name in ("cause", "rung", "then", "slowest"))
    lines = stop_lines(str(cause), rung, told["rung_left"], then, told["left"], str(slowest))
    return [shown(line) for line in lines]


def head(program: Program, room: int | None = None) -> str:
    """The process, in one line; the end of a long command is cut if that makes it fit into so many columns."""
    process = program.process
    age = duration(program.age(process.get("began")))
    count = len(program.tasks)
    before, after = f"{process.get('pid')}  ", f"  ({counted(count)}, Python {process.get('python')}, up {age})"
    before, command, after = shown(before), shown(str(process.get("command"))), shown(after)
    if room is not None:
        command = cut(command, max(20, room - len(before) - len(after)))
    return before + command + after
