"""How a loop makes sigtask's tasks: the task factories, `create_task()` and `install()` (R31)."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, current_task, iscoroutine
from collections.abc import Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, TypeVar

from . import stock
from .family import note_parent, note_stock_parent
from .native import speed
from .scopes import wrap_scopes
from .shim import Shim
from .task import FreshTask, Task, adopt

_T = TypeVar("_T")
_new_shim = Shim.__new__
_new_task: Any = FreshTask.__new__
_init: Any = stock.init


def py_task_factory(loop: AbstractEventLoop, coro: Any, /, **kwargs: Any) -> Task[Any]:
    """The task factory: makes every task of a loop a `sigtask.Task`. `install()` sets it, and does more.

    `loop.set_task_factory(sigtask.task_factory)` alone does not wrap `TaskGroup`, `timeout()` and `asyncio.shield`; so
    prefer `install()`.

    Args:
        loop: The loop.
        coro: The coroutine.
        kwargs: `name`, `context`, `eager_start` and other options of `create_task`, passed to asyncio's task.

    Raises:
        TypeError: When `coro` is not a coroutine.

    Example::

        async def main():
            asyncio.get_running_loop().set_task_factory(task_factory)
            task = asyncio.create_task(asyncio.sleep(0))
            print(isinstance(task, Task))  # True

        asyncio.run(main())

    .. versionadded:: 0.1.0
    """
    # Every line here runs for each new task: `make bench-core` counts it.
    if type(coro) is not CoroutineType and not iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    shim = _new_shim(Shim)
    shim.coro = coro
    shim.inbox = None
    shim.send = coro.send
    parent: Any = current_task(loop)
    task: Task[Any] = _new_task(FreshTask)
    task._shim = shim
    if is_fresh := type(parent) is FreshTask:
        note_parent(task, parent)
    else:
        adopt(task, shim, parent)
    _init(task, shim, loop=loop, **kwargs)  # with eager_start, the task runs before it is returned
    if not is_fresh:
        note_stock_parent(task, parent)
    return task


def _py_construct(coro: Any, /, *, loop: AbstractEventLoop, **kwargs: Any) -> Task[Any]:
    return py_task_factory(loop, coro, **kwargs)


task_factory, _construct = py_task_factory, _py_construct
if speed is not None:
    task_factory, _construct = speed.task_factory, speed.construct
task_factory.__module__ = "sigtask"

if sys.version_info >= (3, 12):
    # Made by asyncio: anyio recognises an eager factory by its code, and reads from it how to start a child lazily.
    eager_task_factory = asyncio.create_eager_task_factory(_construct)
else:

    def eager_task_factory(loop: AbstractEventLoop, coro: Any, **kwargs: Any) -> Task[Any]:
        raise ValueError("eager tasks need Python 3.12 or later")


eager_task_factory.__name__ = eager_task_factory.__qualname__ = "eager_task_factory"
eager_task_factory.__module__ = "sigtask"
eager_task_factory.__doc__ = """The same as `task_factory`, and tasks start at once, as asyncio's eager tasks do.

Python 3.12 and later. `install(eager=True)` sets it.

Args:
    loop: The loop.
    coro: The coroutine.
    kwargs: As for `task_factory`: `name`, `context`, `eager_start` and others.

Raises:
    ValueError: Before Python 3.12.

Example::

    import sys

    if sys.version_info >= (3, 12):
        asyncio.get_running_loop().set_task_factory(eager_task_factory)
        await asyncio.create_task(asyncio.sleep(0))

.. versionadded:: 0.1.0
"""


def create_task(coro: Coroutine[Any, Any, _T], *, name: str | None = None, context: Context | None = None) -> Task[_T]:
    """Start a coroutine as a `sigtask.Task` in the running loop, whatever the loop's task factory is.

    Keep a reference to the task, as for `asyncio.create_task`.

    Args:
        coro: The coroutine to run.
        name: The task's name. Default: `Task-1`, `Task-2`, ...
        context: The `contextvars.Context` it runs in. Default: a copy of the current one.

    Raises:
        TypeError: When `coro` is not a coroutine.
        RuntimeError: When no loop is running.

    Example::

        task = create_task(asyncio.sleep(3600), name="sleeper")
        await asyncio.sleep(0)
        print(task.drain("closing"), task.history[0].fate)  # True Fate.PENDING
        task.kill()

    .. versionadded:: 0.2.0
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"name": name} if context is None else {"name": name, "context": context}
    factory = loop.get_task_factory()
    task = loop.create_task(coro, **options) if getattr(factory, "__func__", factory) in makes_ours else None
    return task if isinstance(task, Task) else task_factory(loop, coro, **options)


makes_ours: set[Any] = {task_factory, eager_task_factory}
"""The task factories, as functions, that make our tasks."""


def install(loop: AbstractEventLoop | None = None, *, eager: bool = False) -> None:
    """Make every task that a loop starts from now on a `sigtask.Task`.

    Use it when other code runs your loop; `run()` does it itself. Tasks that exist already stay what they are. It wraps
    `TaskGroup`, `timeout()` and `asyncio.shield` for the whole process, so that they keep the class and reason of a
    signal.

    Args:
        loop: Default: the running loop.
        eager: Start tasks at once, as asyncio's eager tasks (Python 3.12 and later).

    Raises:
        RuntimeError: When no loop is given and none is running.
        ValueError: For `eager` on Python 3.11.

    Example::

        async def main():
            install()
            task = asyncio.create_task(asyncio.sleep(0))
            print(isinstance(task, Task))  # True

        asyncio.run(main())

    .. versionadded:: 0.1.0
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
