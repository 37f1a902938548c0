"""What the commands for a running program share: the arguments PID and TASK, and their errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..control._checked import process_of
from ..control._client import SHORT_PATIENCE, Connection, Declined, Found, Unreachable, is_there, programs
from ..control._model import Program, look
from ..control._text import clipped, duration, shown
from ._command import in_own_words

FAILED = 1
SHOWN = 30


class Failed(click.ClickException):
    """The command failed: one line on stderr, exit status 1."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(f"sigtask: {self.message}", err=True)


def fails_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command: a process that cannot be reached, or refuses, is one line on stderr."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (Unreachable, Declined) as error:
            raise Failed(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # click knows what to do
                raise
            raise Failed(f"this cannot be written: {error.strerror or error}") from None

    return run


def on_a_terminal() -> bool:
    """Whether what is said goes to one; Python has no `sys.stdout` where it was closed beforehand."""
    return sys.stdout is not None and sys.stdout.isatty()


class Plain(click.Command):
    """A command whose usage errors are one line with a hint."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise in_own_words(error, ctx) from None


class Pid(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in later releases
    """The process id of a program with a control socket."""

    name = "pid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Raises: `click.BadParameter` for other text."""
        text = str(value)
        if not text.isdecimal() or len(text) > 10 or int(text) == 0:
            self.fail(
                f"{text!r} is not a process id; `sigtask ps` lists the programs with a control socket", param, ctx
            )
        return int(text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """All programs with a control socket, and their commands."""
        found = [one for one in programs() if str(one.pid).startswith(incomplete)]
        return [CompletionItem(str(one.pid), help=_command_of(one)) for one in found]


class TaskWord(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # as above
    """A task, by its id or its name."""

    name = "task"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The tasks of that process: their ids and names."""
        pid = ctx.params.get("pid")
        if not isinstance(pid, int):
            return []
        try:
            with Connection(pid) as connection:
                rows = look(connection, family=False).tasks[:1000]
        except (Unreachable, Declined):
            return []
        words = [(str(row["id"]), str(row.get("name"))) for row in rows]
        words += [(str(row.get("name")), str(row.get("where"))) for row in rows if incomplete]
        fit = [(word, told) for word, told in words if word.startswith(incomplete) and word.isprintable()]
        return [CompletionItem(word, help=shown(told)) for word, told in fit]


def _command_of(one: Found) -> str:
    said = facts_of(one.pid)
    return shown(clipped(str(said.get("error") or said.get("command")), 60))


def facts_of(pid: int) -> dict[str, Any]:
    """What that process says of itself; or an `error` that says why it does not."""
    try:
        with Connection(pid, patience=SHORT_PATIENCE) as connection:
            said = process_of(next(connection.ask("hello"), {}).get("process"), pid)
    except (Unreachable, Declined) as error:
        return {"error": str(error)}
    return said or {"error": f"process {pid} does not say what it is"}


def styled(text: str, **style: Any) -> str:
    """In colour, or bold, unless the person has asked for none: https://no-color.org."""
    return text if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else click.style(text, **style)


def pid_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument `[PID]` to a command."""
    return click.argument("pid", type=Pid(), required=False)(command)


def needs_pid(pid: int | None) -> int:
    """The process id. Without one, list the programs on stderr and exit with status 2."""
    if pid is None:
        click.echo("sigtask: name a process:", err=True)
        list_programs(err=True)
        sys.exit(2)
    return pid


def programs_and_facts() -> list[tuple[int, dict[str, Any]]]:
    """The programs that can be looked at, and what each says of itself; not those that have left a socket behind."""
    found = [(one.pid, facts_of(one.pid)) for one in programs()[:1000]]
    return [(pid, facts) for pid, facts in found if "error" not in facts or is_there(pid)]


def list_programs(*, err: bool = False) -> None:
    """Print a line for each program with a control socket."""
    found = programs_and_facts()
    if not found:
        click.echo("no program of yours has a control socket; start one with: sigtask run --control PROGRAM", err=err)
        return
    click.echo(f"{'PID':>8}  {'UP':>12}  {'TASKS':>7}  COMMAND", err=err)
    for pid, process in found:
        if why_not := process.get("error"):
            click.echo(f"{pid:>8}  {why_not}", err=err)
            continue
        up = duration(Program(process).age(process.get("began")))
        stopping = "  (being stopped)" if process.get("stopping") else ""
        command = shown(clipped(str(process.get("command")), 200))
        click.echo(f"{pid:>8}  {up:>12}  {shown(str(process.get('tasks'))):>7}  {command}{stopping}", err=err)
