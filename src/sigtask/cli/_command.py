"""The command line: `sigtask run`."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from .._run.view import make_view
from ..ladder import DEFAULT, Ladder
from ._program import BadInput, Program, run_program


class _StopsAtTheProgram(click.Command):
    """What follows the program's name is the program's own: no option of ours is looked for there."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a `--` where the program's own arguments begin, and let click do the rest."""
        valued = {name for param in self.params if not getattr(param, "is_flag", False) for name in param.opts}
        at, fence = 0, ["--"]
        while at < len(args) and args[at].startswith("-"):
            if args[at] == "--":
                fence = []
                break
            at += 2 if args[at] in valued else 1
            if args[at - 2 : at - 1] == ["-m"]:
                break
        try:
            return super().parse_args(ctx, args[:at] + (fence if at < len(args) else []) + args[at:])
        except click.UsageError as error:
            click.echo(f"sigtask: {error.format_message()}", err=True)
            ctx.exit(2)


def _version() -> str:
    try:
        return version("sigtask")
    except PackageNotFoundError:
        return "(not installed, run from its source)"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version())
def sigtask() -> None:
    """Signals for asyncio tasks: stop a program politely, then firmly, and always."""


@sigtask.command(cls=_StopsAtTheProgram)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does; the rest are its arguments.")
@click.option("--ladder", "ladder_text", metavar="LADDER", default=str(DEFAULT), show_default=True)
@click.option("--report", "report_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report there: .json or .txt.")  # fmt: skip
@click.option("--loop", type=click.Choice(["asyncio", "uvloop"]), default="asyncio", show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while stopping.")
@click.argument("words", metavar="[PROGRAM] [ARGS]...", nargs=-1, type=click.UNPROCESSED)
def run(
    module: str | None, ladder_text: str, report_file: Path | None, loop: str, quiet: bool, words: tuple[str, ...]
) -> None:
    """Run PROGRAM, and stop it by a ladder when SIGINT or SIGTERM comes.

    PROGRAM is package.module:function (a coroutine function), or a script; with -m it is a module. The first signal
    starts the ladder, each further one moves to the next rung at once. When the ladder is over, so is the process.
    """
    try:
        ladder = _ladder(ladder_text)
        _check_report(report_file)
        view = make_view(quiet=quiet, report_file=report_file)
        status = run_program(Program.named(module, words), ladder, view, uvloop=loop == "uvloop")
    except BadInput as error:
        click.echo(f"sigtask: {error}", err=True)
        status = 2
    sys.exit(status)


def _ladder(text: str) -> Ladder:
    try:
        return Ladder.parse(text)
    except ValueError as error:
        raise BadInput(f"--ladder: {error}") from None


def _check_report(file: Path | None) -> None:
    if file is not None and file.suffix not in (".json", ".txt"):
        raise BadInput(f"--report {file}: the name must end in .json or .txt")
    if file is not None and not file.absolute().parent.is_dir():
        raise BadInput(f"--report {file}: there is no directory {file.absolute().parent}")
