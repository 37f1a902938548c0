"""How a loop comes to make sigtask's tasks: the task factories, `create_task()` and `install()` (R31)."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, current_task, iscoroutine
from collections.abc import Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, TypeVar

from . import stock
from .family import note_parent
from .native import speed
from .scopes import wrap_scopes
from .shim import Shim
from .task import FreshTask, Task, adopt

_T = TypeVar("_T")
_new_shim = Shim.__new__
_new_task: Any = FreshTask.__new__
_init: Any = stock.init


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
    shim.inbox = None
    shim.send = coro.send
    parent: Any = current_task(loop)
    task: Task[Any] = _new_task(FreshTask)
    task._shim = shim
    if type(parent) is FreshTask:
        note_parent(task, parent)
    else:
        adopt(task, shim, parent)
    _init(task, shim, loop=loop, **kwargs)  # with eager_start among them, it runs before it is returned
    return task


def _py_construct(coro: Any, /, *, loop: AbstractEventLoop, **kwargs: Any) -> Task[Any]:
    return py_task_factory(loop, coro, **kwargs)


task_factory, _construct = py_task_factory, _py_construct
if speed is not None:
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


def create_task(coro: Coroutine[Any, Any, _T], *, name: str | None = None, context: Context | None = None) -> Task[_T]:
    """As `asyncio.create_task()`, and it gives a `sigtask.Task`, whether or not the loop's task factory is sigtask's.

    Raises: `RuntimeError` when no loop is running; `TypeError` when `coro` is not a coroutine.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"name": name} if context is None else {"name": name, "context": context}
    factory = loop.get_task_factory()
    task = loop.create_task(coro, **options) if getattr(factory, "__func__", factory) in makes_ours else None
    return task if isinstance(task, Task) else task_factory(loop, coro, **options)


makes_ours: set[Any] = {task_factory, eager_task_factory}
"""Task factories, as functions, whose tasks are ours."""


def install(loop: AbstractEventLoop | None = None, *, eager: bool = False) -> None:
    """Make every task that `loop` starts from now on a `sigtask.Task`; by default, the running loop.

    With `eager=True` tasks start running at once (Python 3.12 and later). Tasks that exist already stay what they are.
    `TaskGroup`, `timeout()` and `asyncio.shield` are wrapped, for the whole process: see the limits.

    Raises: `RuntimeError` when no loop is given and none is running; `ValueError` for `eager` on Python 3.11.
    """
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("no loop is running: call install() in a coroutine, or give it a loop") from None
    if eager and sys.version_info < (3, 12):
        raise ValueError("eager tasks need Python 3.12 or later")
    wrap_scopes()
    loop.set_task_factory(eager_task_factory if eager else task_factory)
