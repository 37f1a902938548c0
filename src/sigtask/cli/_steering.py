"""`sigtask kill`, `sigtask stop` and `sigtask attach`: acting on a running program."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from ..control._checked import number, objects_in
from ..control._client import Connection, Unreachable
from ..control._model import FATES
from ..control._reported import report_of
from ..control._text import shown
from ..ladder import Ladder
from ..report import counted
from ._asking import FAILED, Failed, Plain, TaskWord, fails_plainly, needs_pid, pid_argument
from ._command import make_way, parsed, report_file
from ._program import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from ..report import Report

BROKEN_OFF = 130
NAMED = 20
"""How many tasks with the same fate are named after a `kill`; the others are counted."""
HELP = {"help_option_names": ["-h", "--help"]}


def _task_arguments(command: Any) -> Any:
    return pid_argument(click.argument("tasks", metavar="TASK...", type=TaskWord(), nargs=-1)(command))


@click.command(cls=Plain, context_settings=HELP, short_help="Send a signal to tasks of a running program.")
@click.option("--drain", "signal", flag_value="drain", help="Finish what you have, take nothing new.")
@click.option("--interrupt", "signal", flag_value="interrupt", help="Stop what you are waiting for.")
@click.option(
    "--terminate", "signal", flag_value="terminate", default="terminate", help="Clean up and end. The default."
)
@click.option("--kill", "signal", flag_value="kill", help="End now.")
@click.option("--signal", "other", metavar="NAME", help="A signal class of the program: package.module:Class.")
@click.option("--tree", is_flag=True, help="Also send it to all tasks that these have spawned.")
@click.option("--reason", metavar="TEXT", help="The reason, shown to the task and in logs and reports.")
@_task_arguments
@fails_plainly
def kill(
    pid: int | None, tasks: tuple[str, ...], signal: str, other: str | None, tree: bool, reason: str | None
) -> None:
    """Send a signal to tasks of a running program.

    TASK is an id, a name, or a pattern of names in quotes, such as 'worker-*'. See `sigtask ps PID`.
    """
    pid = needs_pid(pid)
    _needs(tasks, pid)
    with Connection(pid) as connection:  # to the end, before a word is said: a pipe may have nobody who reads it all
        answer = list(connection.ask("send", signal=other or signal, tasks=list(tasks), reason=reason, tree=tree))
    for blocked in (one for said in answer if (one := said.get("blocked"))):
        click.echo(f"the loop is blocked at {shown(str(blocked))}", err=True)
    sent = [one for said in answer for one in objects_in(said, "sent")]
    _tell(sent)
    sys.exit(FAILED if any(one.get("fate") in ("refused", "not sent") for one in sent) else 0)


def _tell(sent: list[dict[str, Any]]) -> None:
    """A line for each task; of very many with the same fate, how many more there are."""
    told = Counter[str]()
    for one in sent:
        fate = str(one.get("fate"))
        told[fate] += 1
        if told[fate] <= NAMED:
            click.echo(shown(f"{one.get('id')}  {one.get('name')}: {FATES.get(fate, fate)}"))
    for fate, count in told.items():
        if count > NAMED:
            click.echo(shown(f"and {counted(count - NAMED, 'other')}: {FATES.get(fate, fate)}"))


def _needs(tasks: tuple[str, ...], pid: int) -> None:
    if not tasks:
        click.echo(f"sigtask: name a task, by its id or its name; `sigtask ps {pid}` shows them", err=True)
        sys.exit(2)


def _ladder(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """Check a ladder here, unless it has classes that only the program knows."""
    if text is not None and ":" not in text:
        try:
            Ladder.parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    return text


@click.command(cls=Plain, context_settings=HELP, short_help="Stop tasks of a running program by a ladder, and report.")
@click.option("--ladder", metavar="LADDER", callback=_ladder, help="The rungs; drain=10s,terminate=5s,kill by default.")
@click.option("--reason", metavar="TEXT", help="The reason, shown to the tasks and in logs and reports.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--report", "file", metavar="FILE", callback=parsed(report_file), type=click.Path(),
              help="Also write the report to this file: .html, .txt, .json or .trace.json.")  # fmt: skip
@_task_arguments
@fails_plainly
def stop(pid: int | None, tasks: tuple[str, ...], file: Path | None, **said: Any) -> None:
    """Stop tasks of a running program by a ladder, wait for them, and print the report.

    The program goes on. Ctrl-C ends this command and its ladder; signals that were sent stay sent. The exit status is 1
    if a task still runs.
    """
    pid = needs_pid(pid)
    _needs(tasks, pid)
    if file is not None:
        _make_way(file)
    try:
        report = _stopped(pid, tasks, said["ladder"], said["reason"])
    except KeyboardInterrupt:
        click.echo("sigtask: broken off; the tasks keep what they have been sent", err=True)
        sys.exit(BROKEN_OFF)
    click.echo(json.dumps(report.to_dict(), indent=2) if said["as_json"] else str(report))
    if file is not None:
        try:
            report.write(file)
        except OSError as error:
            raise Failed(f"the report cannot be written: {error}") from None
    sys.exit(FAILED if report.survivors else 0)


def _make_way(file: Path) -> None:
    try:
        make_way(file)
    except BadInput as error:
        raise Failed(f"nothing has been sent: {error}") from None


def _stopped(pid: int, tasks: tuple[str, ...], ladder: str | None, reason: str | None) -> Report:
    """Have them stopped; each rung is a line on stderr."""
    rows: list[Any] = []
    with Connection(pid) as connection:
        for said in connection.ask("stop", patient=True, tasks=list(tasks), ladder=ladder, reason=reason):
            rows += objects_in(said, "report_tasks")
            if isinstance(rung := said.get("rung"), dict):
                whom = counted(int(number(rung.get("tasks")) or 0))
                click.echo(shown(f"{rung.get('name')}, {number(rung.get('grace')) or 0:g} s for {whom}"), err=True)
            if isinstance(report := said.get("report"), dict):
                return report_of(pid, report, rows)
    raise Unreachable(f"process {pid} has sent no report")


@click.command(
    cls=Plain, context_settings=HELP, short_help="Open a control socket in a program that has none (Python 3.14)."
)
@click.option("--wake", is_flag=True, help="Wake an idle loop with a SIGSTOP and a SIGCONT (Linux).")
@pid_argument
@fails_plainly
def attach(pid: int | None, wake: bool) -> None:
    """Open a control socket in a running program that has none, so that `sigtask ps` and `top` can find it.

    Both processes need the same version of Python, 3.14 or later. The system must allow one to debug the other: the
    same user if ptrace_scope is 0, else root or CAP_SYS_PTRACE.

    The program's main thread opens the socket when it next runs a line of Python. An idle loop runs none until
    something happens; --wake makes it run one. A shell may then report that the program was stopped for a moment.
    """
    from ..control._attach import attach_to

    pid = needs_pid(pid)
    click.echo(f"{attach_to(pid, wake=wake)}\nlook at it with: sigtask ps {pid}")
