"""What a function in a thread or a worker process may call: `checkpoint()`, `defer()`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from .._core.host import running
from ._callables import check_plain
from ._function import Function

_P = ParamSpec("_P")


def _here(call: str) -> Function:
    function: Any = running.function
    if function is None:
        raise RuntimeError(
            f"{call} works in a plain function that was started with sigtask.to_thread() or sigtask.to_process(), "
            f"and none is running here; in a task, each await is a checkpoint, and `finally` is for cleanup"
        )
    return function  # type: ignore[no-any-return]


def checkpoint() -> None:
    """In a function under `to_thread` or `to_process`: raise a signal that is on its way now.

    A signal is raised at any bytecode anyway, unless masked. Call this at a place that you choose. It is cheap enough
    for an inner loop.

    Raises:
        Signal: The signal, if one is on its way.
        RuntimeError: Outside such a function.

    Example::

        def work():
            for _ in range(1000):
                checkpoint()
            return "done"

        print(await to_thread(work))  # done

    .. versionadded:: 0.1.0
    """
    _here("checkpoint()").checkpoint()


def defer(callback: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """In a function under `to_thread` or `to_process`: call `callback(*args, **kwargs)` when the function ends.

    It is called however the function ends, in its thread, the last one first, and no signal is raised in it. Use it for
    cleanup: a signal that is raised in plain code can skip the `except` and `finally` around a tight loop. Open a
    `mask` around acquiring a resource and deferring its release. If a callback raises, the others still run, and its
    error is the function's outcome.

    Args:
        callback: A function.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Raises:
        TypeError: For something that is async or cannot be called.
        RuntimeError: Outside such a function.

    Example::

        def work():
            defer(print, "cleaned up")
            return "done"

        result = await to_thread(work)  # cleaned up

    .. versionadded:: 0.1.0
    """
    check_plain(callback, "defer()", "nobody would await it. Give a plain function")
    _here("defer()").deferred.append(partial(callback, *args, **kwargs))
