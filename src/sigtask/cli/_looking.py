"""`sigtask ps` and `sigtask top`: looking at a running program."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import click

from ..control._client import Connection
from ..control._columns import TITLES, layout, width_of
from ..control._model import (
    SORTS,
    Line,
    Program,
    arranged,
    as_objects,
    head,
    hears,
    label,
    look,
    loop_line,
    signals_of,
    stop_of,
)
from ..control._text import age, shown
from ._asking import (
    Failed,
    Plain,
    fails_plainly,
    list_programs,
    needs_pid,
    on_a_terminal,
    pid_argument,
    programs_and_facts,
    styled,
)

HELP = {"help_option_names": ["-h", "--help"]}


@click.command(cls=Plain, context_settings=HELP, short_help="Show the tasks of a running program.")
@pid_argument
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects: tasks or, without PID, programs.")
@click.option("--stacks", is_flag=True, help="Show each task's stack.")
@click.option("--sort", type=click.Choice(["tree", *SORTS]), default="tree", show_default=True, help="The order.")
@click.option("--all", "every", is_flag=True, help="Print a line for each task, also where many are alike.")
@fails_plainly
def ps(pid: int | None, as_json: bool, stacks: bool, sort: str, every: bool) -> None:
    """Show the tasks of a running program: who spawned whom, what each waits for, and its signals.

    Without PID, list the programs that have a control socket: those started with `sigtask run --control`, with
    run(..., control=True), or with SIGTASK_CONTROL=1. If a loop is blocked, the line that blocks it is shown.
    """
    if pid is None and as_json:
        click.echo(json.dumps([{"pid": pid, **facts} for pid, facts in programs_and_facts()], indent=2))
        return
    if pid is None:
        list_programs()
        return
    with Connection(pid) as connection:
        program = look(connection, stacks=stacks)
    if as_json:
        click.echo(json.dumps(list(as_objects(program)), indent=2))
        return
    for line in _said(program, sort, every=every or stacks):
        click.echo(line)


def _said(program: Program, sort: str, *, every: bool, indent: str = "") -> Iterator[str]:
    yield indent + styled(head(program, _room(len(indent))), bold=True)
    yield from (indent + styled(line, fg="yellow") for line in stop_of(program))
    for loop in program.loops.values():
        is_blocked = loop.get("state") == "blocked"
        if is_blocked or len(program.loops) > 1:
            yield indent + styled(loop_line(loop), fg="red" if is_blocked else None)
        if is_blocked and loop.get("stack"):
            yield from (f"{indent}    {shown(place)}" for place in str(loop["stack"]).split(", called at ")[1:])
    for line in _table(program, arranged(program.tasks, sort, fold=not every), len(indent)):
        yield indent + line
    for child in program.children:
        if isinstance(child, Program):
            yield from _said(child, sort, every=every, indent=indent + "    ")
        else:
            told = shown(f"{child.get('pid')}  {child.get('command')}")
            yield f"{indent}    {told}  (no control socket)"


def _table(program: Program, lines: list[Line], indent: int) -> Iterator[str]:
    if not lines:
        yield "  no tasks"
        return
    many = len(program.loops) > 1
    texts = [f"{line.prefix}{label(line.row)}" for line in lines]
    room = _room(indent)
    columns = layout(
        room,
        longest_id=max(len(str(line.row["id"])) for line in lines),
        longest_task=max(map(width_of, texts)),
    )
    yield columns.line(TITLES)
    for line, text in zip(lines, texts, strict=True):
        row = line.row
        loop = f"  [loop {row.get('loop')}]" if many else ""
        where = shown(f"{row.get('where') or row.get('error')}{loop}")
        born = age(program.age(row.get("born")))
        yield columns.line((str(row["id"]), shown(str(row.get("state"))), born, hears(row), "", text, where))
        indented = columns.indent + len(line.prefix)
        yield from (_below(said, indented, room, fg="yellow") for said in signals_of(row, program))
        yield from (_below(shown(str(place)), indented, room) for place in row.get("stack") or ())
        if line.alike:
            first, last = line.alike[0]["id"], line.alike[-1]["id"]
            yield _below(f"and {len(line.alike):,} tasks like it, with ids from {first} to {last}", indented, room)


def _room(indent: int) -> int | None:
    """The columns of the terminal behind the indent; `None` if there is no terminal."""
    return shutil.get_terminal_size((120, 24)).columns - indent if on_a_terminal() else None


def _below(text: str, indented: int, room: int | None, **style: str) -> str:
    """A line about the task above it, further to the left if it would not fit."""
    if room is not None:
        indented = max(2, min(indented, room - width_of(text)))
    return " " * indented + (styled(text, **style) if style else text)


@click.command(cls=Plain, context_settings=HELP, short_help="Watch the tasks of a running program, and signal them.")
@pid_argument
@fails_plainly
def top(pid: int | None) -> None:
    """Watch the tasks of a running program. Press ? for the keys.

    Needs the extra `top`: pip install 'sigtask[top]'.
    """
    pid = needs_pid(pid)
    with Connection(pid) as connection:
        try:
            from ..control._top import Top
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("textual", "rich"):
                raise
            raise Failed("top needs textual; install it with: pip install 'sigtask[top]'") from None
        if not on_a_terminal():
            raise Failed(f"top needs a terminal, and stdout is not one; use: sigtask ps {pid}")
        Top(connection).run()
