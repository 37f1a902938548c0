"""How a loop comes to make sigtask's tasks: the task factories, and `install()` (R31)."""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import AbstractEventLoop, CancelledError, current_task, iscoroutine
from types import CoroutineType
from typing import Any

from .family import adopt, cover, link
from .implementation import speed
from .shim import Shim
from .task import FreshTask, Task

_new_shim = Shim.__new__
_new_task: Any = FreshTask.__new__
_fresh: Any = FreshTask
_init: Any = _fresh.__init__


def py_task_factory(loop: AbstractEventLoop, coro: Any, /, **kwargs: Any) -> Task[Any]:
    """Make every task of a loop a `sigtask.Task`: `loop.set_task_factory(sigtask.task_factory)`.

    `name`, `context`, `eager_start` and whatever else `create_task` passes go to asyncio's task as they are.

    Raises: `TypeError` when `coro` is not a coroutine.
    """
    # Every line here is paid for by every spawn: `make bench-core` counts it.
    if type(coro) is not CoroutineType and not iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    shim = _new_shim(Shim)
    shim.coro = coro
    shim.send = coro.send
    parent: Any = current_task(loop)
    if kwargs:  # with eager_start among them, it runs before it is returned
        task: Task[Any] = _new_task(FreshTask)
        adopt(task, parent)
        _init(task, shim, loop=loop, **kwargs)
        return task
    task = _fresh(shim, loop=loop)
    task._inbox = None
    task._ref = None
    if type(parent) is FreshTask:
        task._parent = parent._ref or link(parent)
    else:
        task._parent = None if parent is None else link(parent)
        cover(task, parent)
    return task


def _py_construct(coro: Any, /, *, loop: AbstractEventLoop, **kwargs: Any) -> Task[Any]:
    return py_task_factory(loop, coro, **kwargs)


task_factory, _construct = py_task_factory, _py_construct
if speed is not None:
    # Up to Python 3.11 `asyncio.current_task` is itself written in Python, and this is what it asks.
    _ask: Any = current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined,unused-ignore]
    speed.bind(FreshTask, Task, _ask, asyncio._get_running_loop, iscoroutine, link, cover)
    task_factory, _construct = speed.task_factory, speed.construct
task_factory.__module__ = "sigtask"

if sys.version_info >= (3, 12):
    # Made by asyncio's own: anyio knows an eager factory by its code, and reads out of it how to start a child later.
    eager_task_factory = asyncio.create_eager_task_factory(_construct)
else:

    def eager_task_factory(loop: AbstractEventLoop, coro: Any, **kwargs: Any) -> Task[Any]:
        raise ValueError("eager tasks need Python 3.12 or later")


eager_task_factory.__name__ = eager_task_factory.__qualname__ = "eager_task_factory"
eager_task_factory.__module__ = "sigtask"
eager_task_factory.__doc__ = """As `task_factory`, and each task starts running at once, as with asyncio's own one.

    Raises: `ValueError` before Python 3.12.
    """


def install(loop: AbstractEventLoop | None = None, *, eager: bool = False) -> None:
    """Make every task that `loop` starts from now on a `sigtask.Task`; by default, the running loop.

    With `eager=True` tasks start running at once (Python 3.12 and later). Tasks that exist already stay what they are.

    Raises: `RuntimeError` when no loop is given and none is running; `ValueError` for `eager` on Python 3.11.
    """
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("no loop is running: call install() in a coroutine, or give it a loop") from None
    if eager and sys.version_info < (3, 12):
        raise ValueError("eager tasks need Python 3.12 or later")
    backport_gh_113848()
    loop.set_task_factory(eager_task_factory if eager else task_factory)


def backport_gh_113848() -> None:
    """Before Python 3.13: let TaskGroup and timeout() take a subclass of CancelledError for what it is (R31).

    They compare the class with `is`. Each original is handed `CancelledError` itself in the subclass's place, as
    CPython 3.13 treats it (python/cpython#113848). Remove this with Python 3.12. Doing it twice does nothing.
    """
    if sys.version_info >= (3, 13):
        return
    for scope in (asyncio.TaskGroup, asyncio.Timeout):
        original: Any = scope.__aexit__
        if not hasattr(original, "__wrapped__"):
            scope.__aexit__ = _wrapped(original)  # type: ignore[method-assign]


def _wrapped(original: Any) -> Any:
    @functools.wraps(original)
    def __aexit__(self: Any, et: Any, exc: Any, tb: Any) -> Any:
        if et is not None and issubclass(et, CancelledError):
            et = CancelledError
        return original(self, et, exc, tb)

    return __aexit__
