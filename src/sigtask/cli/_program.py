"""Run what `sigtask run` was given: an async function, a script or a module; and end as it ends."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextlib
import importlib
import importlib.util
import inspect
import marshal
import os
import pkgutil
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from io import open_code
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, NoReturn

from .._run import runner
from .._run.hosting import Host, make_default
from .._run.os_signals import die_of
from .._run.runner import run
from .._run.settings import Settings
from .._run.supervisor import Supervisor
from .._run.view import LineView
from .._run.watchdog import flush


class Interrupted(BaseException):
    """The program ended by such a `KeyboardInterrupt`, which has been shown. click must not handle it again."""


class BadInput(Exception):
    """A mistake on the command line: one line on stderr, exit status 2."""


class Program(NamedTuple):
    """A program and its arguments. `kind` is `function`, `script` or `module`."""

    kind: str
    name: str
    args: tuple[str, ...]

    @classmethod
    def named(cls, module: str | None, words: tuple[str, ...]) -> Program:
        """The program that these words of the command line name. Raises: `BadInput`."""
        if module is not None:
            return cls("module", module, words)
        if not words:
            raise BadInput("name a program: package.module:function, a script, or -m MODULE")
        name, args = words[0], words[1:]
        if os.path.isdir(name) and not os.path.exists(os.path.join(name, "__main__.py")):
            raise BadInput(f"{name!r} is a directory without a __main__.py")
        if os.path.exists(name):
            return cls("script", name, args)
        if ":" in name and not name.endswith(".py"):
            if name[0] == ":" or name[-1] == ":":
                raise BadInput(f"{name!r} is only half a name; for an async function, write package.module:function")
            return cls("function", name, args)
        raise BadInput(f"there is no file {name!r}; for an async function, write package.module:function")


def run_program(program: Program, settings: Settings, view: LineView) -> int:
    """Run it under the ladder, to its end; gives the exit status. Raises: `BadInput`.

    A program that is stopped by a signal ends the process by that signal.
    """
    first, control = settings.main_first, settings.control
    supervisor = Supervisor(settings.ladder, settings.signals, view, main_first=first, control=control)
    host = Host(supervisor, settings)
    runner.host = supervisor
    try:
        with supervisor:
            host.move_in()
            if settings.uvloop:  # it is imported now: it keeps the functions of `signal` that it finds then
                make_default(_uvloop_factory())
            return _run_hosted(program, supervisor)
    finally:
        host.move_out()
        runner.host = None


def _run_hosted(program: Program, supervisor: Supervisor) -> int:
    """Run a program that may call `asyncio.run` itself, as Python runs a script."""
    sys.argv = [program.name, *program.args]
    error: BaseException | None = None
    try:
        try:
            _run_as_main(program)
        finally:
            supervisor.wind_up_all()
    except BadInput:
        raise
    except BaseException as raised:
        error = raised
    status = _status_of(error, supervisor)
    supervisor.conclude_at_exit(status)
    if status < 0 and isinstance(error, SystemExit):
        _end_by(-status, wait_for_threads=not supervisor.reraised)
    elif isinstance(error, SystemExit):
        _strip(error)  # asyncio shows the one that a task has raised
        raise SystemExit(error.code)
    elif error is not None:
        _show(error)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(KeyboardInterrupt() if type(error) is KeyboardInterrupt else error) from None
    return status


def _status_of(error: BaseException | None, supervisor: Supervisor) -> int:
    """The exit status of a program that ended so, as in `subprocess`: below 0, it dies of that signal."""
    if isinstance(error, SystemExit):
        if error is supervisor.exit and supervisor.signum is not None:
            return -supervisor.signum
        return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return -signal.SIGINT
    return int(error is not None)


def _run_as_main(program: Program) -> None:
    if program.kind == "function":
        run(_load(program.name)())
    elif program.kind == "module":
        _check_module(program.name)
        runpy.run_module(program.name, run_name="__main__", alter_sys=True)
    else:
        _run_script(program.name)


def _end_by(signum: int, *, wait_for_threads: bool) -> NoReturn:
    """Do what the interpreter does on exit, then take the signal's default action."""
    # Private, and with no public way: called so by `multiprocessing` in its own processes, too.
    threads = [threading._shutdown] if wait_for_threads else []  # type: ignore[attr-defined,unused-ignore]
    for step in (*threads, atexit._run_exitfuncs, flush):
        try:
            step()
        except BaseException as error:  # as the interpreter does: it may be a further signal
            sys.excepthook(type(error), error, error.__traceback__)
    die_of(signum)


def _load(name: str) -> Callable[[], Any]:
    sys.path.insert(0, os.getcwd())
    module_name, _, attribute = name.partition(":")
    runner.refusal = BadInput(
        f'{name}: importing {module_name} called sigtask.run() itself; put that call under  if __name__ == "__main__":'
    )
    try:
        if _spec(module_name) is None:
            raise BadInput(f"there is no module named {module_name!r}{_meant(module_name, f':{attribute}')}")
        found: Any = importlib.import_module(module_name)
    finally:
        runner.refusal = None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadInput(f"{module_name} has no {attribute!r}{_async_functions_of(module_name)}")
        found = getattr(found, part)
    if not inspect.iscoroutinefunction(found):
        raise BadInput(
            f"{name} is {found!r:.200}, not an async function (async def); "
            f"a program that starts its own loop is run as a script, or with -m"
        )
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise BadInput(f"{name} is called without arguments, and this failed: {error}") from None
    return found  # type: ignore[no-any-return]  # checked just above


def _meant(module: str, attribute: str) -> str:
    """A hint for who has given the name of a file in the place of a module's."""
    if not module.endswith(".py"):
        return ""
    return f"; write {module.removesuffix('.py').replace(os.sep, '.').lstrip('.')}{attribute}"


def _async_functions_of(module: str) -> str:
    """A hint for who has mistaken the name of a function."""
    members = [pair for pair in vars(sys.modules[module]).items() if getattr(pair[1], "__module__", None) == module]
    names = [name for name, one in members if inspect.iscoroutinefunction(one)]
    return f"; its async functions are {', '.join(names[:10])}" if names else "; it has no async function of its own"


def _spec(name: str) -> ModuleSpec | None:
    """Where that module is; `None` if there is none. Raises: what importing its parent package raises."""
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return None if name.startswith(".") else importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # another module, which a package above this one needs
        return None
    except ValueError:
        return None


def _check_module(name: str) -> None:
    spec = _spec(name)
    if spec is None:
        raise BadInput(f"there is no module named {name!r}{_meant(name, '')}")
    if spec.submodule_search_locations is not None and _spec(f"{name}.__main__") is None:
        raise BadInput(f"{name!r} is a package without a __main__ module, and cannot be run")


def _run_script(name: str) -> None:
    """Run a script as `python name` does: also a directory, a zip file, or compiled code.

    `runpy.run_path` would remove `__main__` before threads and atexit end.
    """
    path = os.path.abspath(name)
    finder = pkgutil.get_importer(path)
    spec = None if finder is None else finder.find_spec("__main__", None)
    if spec is not None:
        sys.path.insert(0, path)
        loader: Any = spec.loader
        module, code = importlib.util.module_from_spec(spec), loader.get_code("__main__")
    else:
        if not sys.flags.safe_path:
            sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
        with open_code(path) as file:
            text = file.read()
        is_compiled = text.startswith(importlib.util.MAGIC_NUMBER)
        code = marshal.loads(text[16:]) if is_compiled else compile(text, path, "exec", dont_inherit=True)
        module = ModuleType("__main__")
        module.__dict__.update(__file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path))
    module.__dict__.setdefault("__builtins__", builtins)
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


def _show(error: BaseException) -> None:
    """Print the traceback as Python does, without our own frames."""
    linked: BaseException | None = error
    while linked is not None and linked.__traceback__ is not None:
        linked = _strip(linked).__cause__ or linked.__context__
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__  # as Python does
    if sys.version_info >= (3, 12):  # before, Python does not know it, and would clear it too late at its end
        sys.last_exc = error
    sys.excepthook(type(error), error, error.__traceback__)
    flush()


def _strip(error: BaseException) -> BaseException:
    """Take our frames out of its traceback, and what imports and compiles the program; a bug of ours keeps all."""
    steps: list[TracebackType] = []
    trace, is_ours = error.__traceback__, False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        is_ours = file.startswith((*_OURS, *_STARTERS) if not steps else _OURS) or (is_ours and file == _BETWEEN)
        if not is_ours:
            steps.append(trace)
        trace = trace.tb_next
    for step, after in zip(steps, [*steps[1:], None], strict=False):
        step.tb_next = after
    if steps or isinstance(error, SyntaxError | KeyboardInterrupt):  # these need no frame
        error.__traceback__ = steps[0] if steps else None
    return error


_OURS = (os.path.dirname(os.path.dirname(__file__)) + os.sep,)
_BETWEEN = contextlib.__file__  # it calls our context managers, and is called by us
_STARTERS = ("<frozen runpy>", runpy.__file__, "<frozen importlib", os.path.dirname(importlib.__file__) + os.sep)


def _uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        raise BadInput("--loop uvloop: uvloop is not installed; pip install 'sigtask[uvloop]'") from None
    return uvloop.new_event_loop
