"""What `sigtask run` runs: a coroutine function, a script or a module, and how each ends."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import runpy
import signal
import sys
import warnings
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .._os_signals import die_of
from ..ladder import Ladder
from ..runner import DEFAULT_SIGNALS, Supervisor, run
from ..view import LineView
from ._host import Host


class BadInput(Exception):
    """Something the person at the command line got wrong: one line, exit status 2."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its arguments. `kind` is `function`, `script` or `module`."""

    kind: str
    name: str
    args: tuple[str, ...]

    @classmethod
    def named(cls, module: str | None, words: tuple[str, ...]) -> Program:
        """The program those words of the command line name. Raises: `BadInput`."""
        if module is not None:
            return cls("module", module, words)
        if not words:
            raise BadInput("name a program: package.module:function, a script, or -m MODULE")
        name, args = words[0], words[1:]
        if os.path.exists(name):
            return cls("script", name, args)
        if ":" in name and not name.endswith(".py"):
            return cls("function", name, args)
        raise BadInput(f"there is no file {name!r}; for a coroutine function, write package.module:function")


def run_program(program: Program, ladder: Ladder, view: LineView, *, uvloop: bool = False) -> int:
    """Run it under the ladder, to its end; gives the exit status. Raises: `BadInput`."""
    loop_factory = _uvloop_factory() if uvloop else None
    if program.kind == "function":
        return _run_function(program, ladder, view, loop_factory)
    if program.kind == "module" and not _module_exists(program.name):
        raise BadInput(f"there is no module named {program.name!r}")
    if loop_factory is not None:
        _make_default(loop_factory)
    return _run_hosted(program, ladder, view)


def _run_function(
    program: Program, ladder: Ladder, view: LineView, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> int:
    sys.path.insert(0, os.getcwd())
    sys.argv = [program.name, *program.args]
    try:
        function = _load(program.name)
        run(function(), ladder=ladder, loop_factory=loop_factory, observer=view)
    except (BadInput, SystemExit):
        raise
    except BaseException as error:
        return _show(error)
    return 0


def _load(name: str) -> Callable[[], Any]:
    module_name, _, attribute = name.partition(":")
    if not _module_exists(module_name):
        raise BadInput(f"there is no module named {module_name!r}")
    found: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadInput(f"{module_name} has no {attribute!r}")
        found = getattr(found, part)
    if not asyncio.iscoroutinefunction(found):
        raise BadInput(f"{name} is {found!r}, not a coroutine function (async def)")
    return found  # type: ignore[no-any-return]  # checked just above


def _module_exists(name: str) -> bool:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _run_hosted(program: Program, ladder: Ladder, view: LineView) -> int:
    """A script or a module that may call `asyncio.run` itself and need not know of us."""
    supervisor = Supervisor(ladder, DEFAULT_SIGNALS, view)
    host = Host(supervisor)
    with supervisor:
        host.move_in()
        status = _run_as_main(program, supervisor)
        supervisor.conclude_at_exit()
    return status


def _run_as_main(program: Program, supervisor: Supervisor) -> int:
    sys.argv = [program.name, *program.args]
    try:
        if program.kind == "script":
            sys.path.insert(0, os.path.dirname(os.path.abspath(program.name)))
            runpy.run_path(program.name, run_name="__main__")
        else:
            runpy.run_module(program.name, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        supervisor.conclude_at_exit()
        raise error.with_traceback(None)
    except CancelledError as error:
        if supervisor.signum is None:
            return _show(error)
        return 128 + supervisor.signum
    except BaseException as error:
        return _show(error)
    return 0


def _show(error: BaseException) -> int:
    """Show it as Python does, without the frames that are ours; gives the exit status."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace or error.__traceback__), trace or error.__traceback__)
    sys.stderr.flush()
    if isinstance(error, KeyboardInterrupt):
        sys.stdout.flush()
        die_of(signal.SIGINT)
    return 1


_OURS = (os.path.dirname(os.path.dirname(__file__)) + os.sep, "<frozen runpy>", runpy.__file__)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        raise BadInput("--loop uvloop: uvloop is not installed; pip install 'sigtask[uvloop]'") from None
    return uvloop.new_event_loop


def _make_default(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Let `asyncio.run` and `new_event_loop` in the program make this kind of loop."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # policies go in 3.16; programs' loops still come from one

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> asyncio.AbstractEventLoop:
                return loop_factory()

        asyncio.set_event_loop_policy(Policy())


