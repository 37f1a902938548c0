"""What is explored: the operation, what makes its state and what checks it; and what is wrong with those given."""

from __future__ import annotations

import asyncio
import functools
import inspect
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

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
    ignore: tuple[str, ...] = ()
    late: bool = False

    @property
    def name(self) -> str:
        """The operation, for a person."""
        return _name_of(self.operation)

    def start(self, state: Any) -> Any:
        """The operation's coroutine.

        Raises: `TypeError` when it gives none.
        """
        coro = self.operation() if self.setup is None else self.operation(state)
        if not asyncio.iscoroutine(coro):
            if not inspect.isawaitable(coro):
                needs = "an `async def` function" + " without a `yield`" * inspect.isasyncgen(coro)
                raise TypeError(f"{self.name}() gave {coro!r}, not a coroutine: explore() needs {needs}")
            return _awaiting(coro)
        return coro

    def takes(self, task: int) -> bool:
        """Whether signals are sent to the `task`-th task."""
        return self.tasks == "all" or (not isinstance(self.tasks, str) and task in self.tasks)


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return brief(getattr(function, "__qualname__", type(function).__qualname__))


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
    ignore: Any = (),
    late: bool = False,
) -> Case:
    """What `explore()` was given, checked.

    Raises: `TypeError` or `ValueError` that says what is wrong, and what to give instead.
    """
    for what, function in (("operation", operation), ("setup", setup), ("check", check)):
        if function is not None or what == "operation":
            _check_function(what, function)
    _check_arguments(operation, check, with_state=setup is not None)
    if limit is not None and (not _is_number(limit) or limit < 1):
        raise ValueError(f"explore(limit={limit!r}): how many runs there are at most, 1 or more; None for all")
    numbers = "all" if tasks == "all" else _numbers(tasks)
    words = tuple(_several(ignore))
    if not all(isinstance(one, str) and one for one in words):
        raise TypeError(f"explore(ignore={ignore!r}): texts, each a part of what is found and is not to count")
    return Case(
        operation, setup, check, _signals(signals), pairs, numbers, limit, reuse and ends, ends, real_time, words, late
    )  # fmt: skip


def _numbers(tasks: Any) -> frozenset[int]:
    given = _several(tasks)
    numbers = frozenset(one for one in given if _is_number(one) and one >= 0)
    if not given or len(numbers) < len(set(given)):
        raise ValueError(f"explore(tasks={tasks!r}): 'all', or numbers of tasks; 0 is the operation's own")
    return numbers


def _several(given: Any) -> list[Any]:
    """What is in a list or another iterable; one thing by itself; each once."""
    is_one = isinstance(given, (str, bytes, type, Signal)) or not isinstance(given, Iterable)
    return [given] if is_one else list(dict.fromkeys(cast("Iterable[Any]", given)))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_arguments(operation: Any, check: Any, *, with_state: bool) -> None:
    """Whether they can be called with what they will be called with, as far as their signatures tell."""
    for what, function in (("operation", operation), ("check", check)):
        try:
            signature = inspect.signature(function, follow_wrapped=False)
        except (TypeError, ValueError):
            continue
        try:
            signature.bind(*[None] * with_state)
        except TypeError as error:
            gets = "one argument, what setup() gave" if with_state else "no argument, as there is no setup"
            raise TypeError(
                f"explore(): the {what} {_name_of(function)}{signature} is to take {gets}: {error}"
            ) from None


def _check_function(what: str, function: Any) -> None:
    if inspect.iscoroutine(function):
        name = function.__qualname__
        function.close()
        raise TypeError(f"explore() calls the {what} anew for each run: give it the function {name}, not {name}()")
    if not callable(function):
        raise TypeError(f"explore() takes a function as its {what}, got {function!r}")


def _signals(given: Any) -> tuple[Strike, ...]:
    signals = tuple(_several(given))
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
