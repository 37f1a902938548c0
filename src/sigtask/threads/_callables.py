"""Checks that a callable is a plain (not async) function."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def check_plain(fn: object, call: str, advice: str) -> None:
    """Raises: `TypeError`, naming `call`, when `fn` cannot be called, or is async; then the text ends with `advice`."""
    if type(fn) is FunctionType and not fn.__code__.co_flags & _ASYNC and not fn.__dict__:
        return  # the usual case, because `inspect` is slow
    if not callable(fn):
        hint = "; give the function itself, not what it returns" if inspect.isawaitable(fn) else ""
        raise TypeError(f"{call} takes a function to call, got {fn!r:.200}{hint}")
    plain: object = fn
    while isinstance(plain, partial):
        plain = plain.func
    if any(
        test(one)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for one in (plain, getattr(plain, "__call__", None))  # noqa: B004  # an object may have an async __call__
    ):
        raise TypeError(f"{call} takes a plain function, and {fn!r:.200} is async: {advice}")
