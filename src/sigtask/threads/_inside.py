"""What a function may call that runs in a thread or a worker process: `checkpoint()`, `defer()`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from .._core.host import running
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
    """In a function started with `to_thread` or `to_process`: raise a signal that is on its way, here and now.

    Signals are raised at any bytecode anyway, unless masked; this is for a place that you choose. It costs little
    enough for an inner loop. Raises: the signal; `RuntimeError` outside such a function.
    """
    _here("checkpoint()").checkpoint()


def defer(callback: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """In a function started with `to_thread` or `to_process`: call back when it has ended, however it ends.

    A signal raised in plain code can skip the `except` and `finally` around a tight loop; what is deferred runs in any
    case, in the function's thread, the last one first, and no signal is raised in it. When a callback raises, the
    others still run, and its error is the outcome. Open a `mask` around taking a thing and deferring its return.

    Raises: `TypeError` for what cannot be called; `RuntimeError` outside such a function.
    """
    if not callable(callback):
        raise TypeError(f"defer() takes a function to call at the end, got {callback!r}")
    _here("defer()").deferred.append(partial(callback, *args, **kwargs))
