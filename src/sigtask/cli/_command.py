"""The command line: `sigtask run`. The commands for a running program are in modules of their own."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .. import __version__
from .._run.settings import DEFAULT_SIGNALS, YES_NO, Settings, parse_signals
from .._run.systemd import LAST_SECONDS
from .._run.view import make_view
from ..ladder import DEFAULT, Ladder, duration
from ..report import ENDINGS
from ._program import BadInput, Program, run_program

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem


class _Mistake(click.ClickException):
    """A mistake on the command line: one line on stderr, exit status 2."""

    exit_code = 2

    def __init__(self, message: str, see: str, log: object = "text") -> None:
        super().__init__(message.rstrip("."))
        self._see = see
        self._log = log

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, and which --help to read."""
        said = f"{self.message} (see: {self._see} --help)"
        if self._log == "json":
            from .._run.json_view import as_line

            click.echo(as_line("usage", said, "error"), err=True)
        else:
            click.echo(f"sigtask: {said}", err=True)


def in_own_words(error: click.UsageError, ctx: click.Context) -> _Mistake:
    """The same mistake, as one line that says what to do."""
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        hint = f"; did you mean {error.possibilities[0]}?" if error.possibilities else ""
        message = f"there is no option {error.option_name}{hint}"
    elif isinstance(error, click.BadOptionUsage):
        message = error.message.replace(f"Option {error.option_name!r} ", f"{error.option_name}: it ")
    elif isinstance(error, click.BadParameter) and error.param is not None:
        message = f"{_where(error.param, ctx)}: {error.message}"
    return _Mistake(message, ctx.command_path, ctx.params.get("log"))


def _where(param: click.Parameter, ctx: click.Context) -> str:
    """Where the value came from: the option, or the environment variable."""
    if ctx.get_parameter_source(param.name or "") is ParameterSource.ENVIRONMENT:
        return str(param.envvar)
    return max(param.opts, key=len)


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Include the commands for a running program. They are imported only when they are used."""
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As click does."""
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"{__package__}.{LATER[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; for an unknown command, suggest one that is spelt alike, or `sigtask run`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            alike = get_close_matches(args[0], self.list_commands(ctx), 1)
            words = " ".join([*alike, *args[1:]] if alike else ["run", *args])
            raise _Mistake(f"there is no command {args[0]!r}; did you mean: sigtask {words}?", "sigtask") from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with errors in our own words."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise in_own_words(error, ctx) from None


class _StopsAtTheProgram(click.Command):
    """Arguments after the program's name belong to the program. They are not parsed as our options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a `--` where the program's own arguments begin, and let click do the rest."""
        valued = {name for param in self.params if not getattr(param, "is_flag", False) for name in param.opts}
        at, fence = 0, ["--"]
        while at < len(args) and args[at].startswith("-"):
            if args[at] == "--":
                fence = []
                break
            module = re.match("-[^-m]*m(.*)", args[at])  # also -mMODULE, and -qm MODULE
            at += 2 if args[at] in valued or (module is not None and not module[1]) else 1
            if module is not None:
                break
        try:
            return super().parse_args(ctx, args[:at] + (fence if at < len(args) else []) + args[at:])
        except click.UsageError as error:
            raise in_own_words(error, ctx) from None


# -- what the options say ---------------------------------------------------------------------------------------------


def parsed(parse: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """A callback that gives what `parse` makes of the option's text."""

    def callback(ctx: click.Context, param: click.Parameter, text: str | None) -> object:
        try:
            return None if text is None else parse(text)
        except (ValueError, OSError) as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback


def _flag(variable: str, words: dict[str, bool]) -> Callable[[click.Context, click.Parameter, bool], bool]:
    """A callback for a flag that is not given: it reads the environment variable, which must be one of these words."""

    def callback(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        said = os.environ.get(variable, "").lower()
        if not said or ctx.get_parameter_source(param.name or "") is not ParameterSource.DEFAULT:
            return value
        if said not in words:
            raise _Mistake(
                f"{variable}: {said!r} is not one of {', '.join(words)}", ctx.command_path, ctx.params["log"]
            )
        return words[said]

    return callback


def report_file(text: str) -> Path:
    from pathlib import Path

    file = Path(text).absolute()  # the program may go to another directory
    if file.is_dir():
        raise ValueError(f"{text} is a directory")
    if not file.name.endswith(ENDINGS):
        raise ValueError(f"{text}: the name must end in {', '.join(ENDINGS)}")
    if not file.parent.is_dir():
        raise ValueError(f"{text}: there is no directory {file.parent}")
    return file


def _check_grace(grace: float, ladder: Ladder) -> str:
    """Say how long a stop may take. Raises: `BadInput` when that is longer than `grace`."""
    extra = f" + {ladder.limit:g} s that extend() may add" if ladder.limit else ""
    most = ladder.total + ladder.limit + LAST_SECONDS
    sums = f"{ladder.total:g} s of ladder{extra} + {LAST_SECONDS:g} s to end by force"
    if most > grace:
        raise BadInput(
            f"--check-grace {grace:g}: a stop may take {most:g} s ({sums}); "
            f"shorten the ladder {ladder}, or set your supervisor's stop timeout to {most:g} s"
        )
    return f"a stop takes {most:g} s at most ({sums}), of {grace:g} s"


def make_way(file: Path) -> None:
    """Check that the report can be written, and remove an older one. Raises: `BadInput`."""
    if file.exists() and not file.is_file():  # a pipe, for one: to open it is to wait for whoever reads it
        return
    try:
        with file.open("a"):
            pass
        try:
            file.resolve().unlink()
        except OSError:  # mounted into a container, or in a directory that is not ours
            os.truncate(file, 0)
    except OSError as error:
        raise BadInput(f"the report cannot be written: {file}: {error.strerror}") from None


# -- the commands -----------------------------------------------------------------------------------------------------

LATER = {"ps": "_looking", "top": "_looking", "kill": "_steering", "stop": "_steering", "attach": "_steering"}
HELP = {"help_option_names": ["-h", "--help"]}
ORDERS = {"main-first": True, "all-at-once": False}
RUN = """Run PROGRAM. On SIGINT or SIGTERM, stop it by a ladder.

PROGRAM is a script, package.module:function (an async function) or, with -m, a module. Put options before it;
arguments after it are passed to the program.

\b
A ladder is a list of signals that the tasks are sent in turn, each with the
time it has to work. In --ladder drain=10s,terminate=5s,kill the rungs mean:
  drain      finish what you have, take nothing new
  terminate  clean up and end
  kill       end now; after that the process exits, whatever blocks it

The first signal starts the ladder. A second one, such as another Ctrl-C, moves to the next rung at once; two
within half a second count as one.
"""
EPILOG = """\b
Exit status: the program's own if it ended by itself, also after a drain. If a
stronger rung stopped it, it dies of the OS signal, which a shell shows as
128 + n: 130 for SIGINT, 143 for SIGTERM. If it had to be ended by force, it
exits with that number. 2: a mistake on the command line or in the
environment."""


@click.group(cls=_Group, context_settings=HELP)
@click.version_option(__version__)
def sigtask() -> None:
    """Stop asyncio programs politely, then firmly, and always."""


def _files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


@sigtask.command(
    cls=_StopsAtTheProgram,
    help=RUN,
    short_help="Run a program, and stop it by a ladder.",
    epilog=EPILOG,
    context_settings={**HELP, "show_default": True},
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does.")
@click.option("--ladder", metavar="LADDER", default=str(DEFAULT), callback=parsed(Ladder.parse),
              envvar="SIGTASK_LADDER", show_envvar=True, help="The rungs, weakest first.")  # fmt: skip
@click.option("--signals", metavar="SIGNALS", callback=parsed(parse_signals), envvar="SIGTASK_SIGNALS",
              show_envvar=True, help="Further OS signals that stop the program, and the rung each starts at: "
              "HUP=drain,QUIT=terminate. INT=drain and TERM=drain are preset; INT=default leaves SIGINT "
              "to Python.")  # fmt: skip
@click.option("--main-first/--all-at-once", default=True, callback=_flag("SIGTASK_ORDER", ORDERS),
              help="Send each rung to main first, to the others when main has ended or half of the grace is over; "
              "or to all at once. [env var: SIGTASK_ORDER, main-first or all-at-once]")  # fmt: skip
@click.option("--check-grace", metavar="SECONDS", callback=parsed(duration), envvar="SIGTASK_CHECK_GRACE",
              show_envvar=True, help="Refuse to start if a stop may take longer than this. Give the time after which "
              "your supervisor sends SIGKILL. Without a PROGRAM, only check.")  # fmt: skip
@click.option("--init", is_flag=True, show_default=False, callback=_flag("SIGTASK_INIT", YES_NO),
              help="For process 1 of a container: run the program in a child process, forward signals to it, "
              "reap orphans. [env var: SIGTASK_INIT, 1 or 0]")  # fmt: skip
@click.option("--report", metavar="FILE", callback=parsed(report_file), envvar="SIGTASK_REPORT", show_envvar=True,
              type=click.Path(), help="Write the report to this file: .html, .txt, .json or .trace.json.")  # fmt: skip
@click.option("--log", type=click.Choice(["text", "json"]), default="text", envvar="SIGTASK_LOG", show_envvar=True,
              is_eager=True, help="The format of messages: text, or one JSON object per line.")  # fmt: skip
@click.option("--loop", type=click.Choice(["asyncio", "uvloop"]), default="asyncio", envvar="SIGTASK_LOOP",
              show_envvar=True, help="The event loop to use. uvloop needs the extra sigtask[uvloop].")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, show_default=False, callback=_flag("SIGTASK_QUIET", YES_NO),
              help="Print nothing while stopping. [env var: SIGTASK_QUIET, 1 or 0]")  # fmt: skip
@click.option("--control", is_flag=True, show_default=False, callback=_flag("SIGTASK_CONTROL", YES_NO),
              help="Open the control socket, so that `sigtask ps`, `kill`, `stop` and `top` can find the program. "
              "[env var: SIGTASK_CONTROL, 1 or 0]")  # fmt: skip
@click.argument("words", metavar="PROGRAM [ARGS]...", nargs=-1, type=click.UNPROCESSED, shell_complete=_files)
@click.pass_context
def run(ctx: click.Context, /, module: str | None, words: tuple[str, ...], **said: Any) -> None:
    """Run a program under a ladder."""
    settings = Settings(
        ladder=said["ladder"],
        signals=said["signals"] or DEFAULT_SIGNALS,
        main_first=said["main_first"],
        uvloop=said["loop"] == "uvloop",
        quiet=said["quiet"],
        report_file=said["report"],
        log=said["log"],
        control=said["control"],
    )
    try:
        if (grace := said["check_grace"]) is not None:
            told = _check_grace(grace, settings.ladder)
            if module is None and not words:
                click.echo(told)
                return
        program = Program.named(module, words)
        if settings.report_file is not None:
            make_way(settings.report_file)
        if said["init"]:
            _split()
        status = _run(program, settings)
    except BadInput as error:
        raise _Mistake(str(error), ctx.command_path, settings.log) from None
    sys.exit(status)


def _split() -> None:
    if not hasattr(os, "fork"):
        raise BadInput("--init: this system has no os.fork(); leave the option out")
    from ._init import split

    split()


def _run(program: Program, settings: Settings) -> int:
    view = make_view(quiet=settings.quiet, report_file=settings.report_file, log=settings.log)
    return run_program(program, settings, view)
