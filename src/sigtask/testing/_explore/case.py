"""What is explored: the operation, what makes its state and what checks it; and what is wrong with those given."""

from __future__ import annotations

import asyncio
import functools
import inspect
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...signals import Signal
from .plan import Strike
from .sites import brief


@dataclass(frozen=True, slots=True)
class Case:
    """One operation with all that belongs to it."""

    operation: Callable[..., Any]
    setup: Callable[[], Any] | None
    check: Callable[..., Any] | None
    signals: tuple[Strike, ...]
    pairs: bool
    tasks: str | frozenset[int]
    limit: int | None
    reuse: bool
    ends: bool
    real_time: bool

    @property
    def name(self) -> str:
        """The operation, for a person."""
        function: Any = self.operation
        while isinstance(function, functools.partial):
            function = function.func
        return brief(getattr(function, "__qualname__", type(function).__qualname__))

    def start(self, state: Any) -> Any:
        """The operation's coroutine.

        Raises: `TypeError` when it gives none.
        """
        coro = self.operation() if self.setup is None else self.operation(state)
        if not asyncio.iscoroutine(coro):
            if not inspect.isawaitable(coro):
                raise TypeError(
                    f"{self.name}() gave {coro!r}, not a coroutine: explore() needs an `async def` function"
                )
            return _awaiting(coro)
        return coro

    def takes(self, task: int) -> bool:
        """Whether signals are sent to the `task`-th task."""
        return self.tasks == "all" or (not isinstance(self.tasks, str) and task in self.tasks)


async def _awaiting(awaitable: Any) -> Any:
    return await awaitable


def case_of(
    operation: Any,
    *,
    setup: Any,
    check: Any,
    signals: Any,
    pairs: bool,
    tasks: Any,
    limit: Any,
    reuse: bool,
    ends: bool,
    real_time: bool,
) -> Case:
    """What `explore()` was given, checked.

    Raises: `TypeError` or `ValueError` that says what is wrong, and what to give instead.
    """
    for what, function in (("operation", operation), ("setup", setup), ("check", check)):
        if function is not None or what == "operation":
            _check_function(what, function)
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ValueError(f"explore(limit={limit!r}): how many runs there are at most, 1 or more; None for all")
    if tasks == "all":
        numbers: str | frozenset[int] = "all"
    else:
        numbers = frozenset([tasks] if isinstance(tasks, int) else [] if isinstance(tasks, str) else tasks)
        if not numbers or not all(isinstance(one, int) and one >= 0 for one in numbers):
            raise ValueError(f"explore(tasks={tasks!r}): 'all', or numbers of tasks; 0 is the operation's own")
    return Case(operation, setup, check, _signals(signals), pairs, numbers, limit, reuse and ends, ends, real_time)


def _check_function(what: str, function: Any) -> None:
    if inspect.iscoroutine(function):
        name = function.__qualname__
        function.close()
        raise TypeError(f"explore() calls the {what} anew for each run: give it the function {name}, not {name}()")
    if not callable(function):
        raise TypeError(f"explore() takes a function as its {what}, got {function!r}")


def _signals(given: Any) -> tuple[Strike, ...]:
    signals = (given,) if isinstance(given, (type, Signal)) else tuple(given)
    for one in signals:
        is_class = isinstance(one, type) and (one is CancelledError or (issubclass(one, Signal) and one is not Signal))
        if not is_class and not (isinstance(one, Signal) and type(one) is not Signal):
            raise TypeError(
                f"explore(signals=...): {one!r} is neither a signal (Drain, Interrupt, Terminate, Kill, or your own) "
                f"nor asyncio.CancelledError, which stands for a plain cancel()"
            )
    if not signals:
        raise ValueError("explore(signals=()): with no signal there is nothing to try")
    return signals
