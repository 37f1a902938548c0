"""What an operation leaves in the loop besides tasks: timers, files that are watched, functions at work in threads.

Whose a timer or a thread is, a context variable tells: tasks and callbacks hand their context on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple

from .sites import brief

SOON = 1e-6
"""What is due within so many seconds is not left: it fires now."""
BEGIN = 0.05
"""How many real seconds a thread is given to begin with what it was handed."""
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_ASYNCIOS = ("asyncio.futures", "asyncio.tasks", "asyncio.timeouts", "asyncio.sslproto")
_RUN: ContextVar[object] = ContextVar("sigtask_explored", default=None)


class Loop(Protocol):
    """What is asked of the loop."""

    @property
    def files(self) -> frozenset[int]:
        """The descriptors that are registered with it."""
        ...

    def time(self) -> float:
        """Its clock."""
        ...

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's."""
        ...


@dataclass(frozen=True, slots=True)
class HandedOver(Generic[*_Ts, _T]):
    """What a thread is given: `function`, and then `wait()` until it has begun.

    What is cancelled before that is never run, and nothing would have been tried.
    """

    function: Callable[[*_Ts], _T]
    wait: Callable[[], object]


class Left:
    """Notes what one run after another leaves in a loop: `begin()` before each, `end()` after it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._run: object = None
        self._timers: list[tuple[asyncio.TimerHandle, Callable[..., Any]]] = []
        self._at_work: list[tuple[object, Callable[..., Any]]] = []
        self._handled: list[int] = []
        self._are_free = True
        self._before: frozenset[int] = frozenset()

    def begin(self) -> Context:
        """A run begins; the context for its operation."""
        self._run = run = object()
        self._are_free = True
        self._before = self._loop.files
        context = copy_context()
        context.run(_RUN.set, run)
        return context

    def end(self) -> None:
        """The run is over: its timers are stopped, so that they do not fire in the next."""
        self._run = None
        if self._timers:
            timers, self._timers = self._timers, []
            for handle, _ in timers:
                handle.cancel()
        for number in tuple(self._handled):
            self._loop.remove_signal_handler(number)

    # -- what the loop tells ------------------------------------------------------------------------------------------

    def scheduled(self, handle: asyncio.TimerHandle, callback: Callable[..., Any]) -> None:
        """A timer was set."""
        if self._run is not None and _RUN.get() is self._run and not _is_asyncios(callback):
            self._timers.append((handle, callback))

    def handles(self, number: int, *, is_so: bool) -> None:
        """A handler of an OS signal was added to the loop, or removed."""
        if is_so and self._run is not None and _RUN.get() is self._run:
            self._handled.append(number)
        elif not is_so and number in self._handled:
            self._handled.remove(number)

    def handed_over(self, function: Callable[[*_Ts], _T]) -> HandedOver[*_Ts, _T]:
        """A function is handed to a thread."""
        if self._run is None or _RUN.get() is not self._run or not self._are_free:
            return HandedOver(function, nothing)
        one, begun = (self._run, function), threading.Event()

        def works(*args: *_Ts) -> _T:
            self._at_work.append(one)
            begun.set()
            try:
                return function(*args)
            finally:
                self._at_work.remove(one)

        def wait() -> None:
            self._are_free = begun.wait(BEGIN)  # else all threads are busy, and it is not waited for the next

        return HandedOver(works, wait)

    # -- what is left -------------------------------------------------------------------------------------------------

    def handlers(self) -> list[str]:
        """The OS signals that it handles since."""
        return [f"the loop still handles {signal.Signals(one).name}" for one in self._handled]

    def timers(self) -> list[str]:
        """The timers that are still to fire."""
        if not self._timers:
            return []
        now = self._loop.time() + SOON
        alive = [(handle, back) for handle, back in self._timers if not handle.cancelled() and handle.when() > now]
        return [f"a timer is left: {_named(back)}, due in {handle.when() - now + SOON:.6g} s" for handle, back in alive]

    def files(self) -> list[str]:
        """What the run has had the loop watch, and that it watches still."""
        new = self._loop.files - self._before
        return list(dict.fromkeys(map(_described, sorted(new)))) if new else []

    def threads(self) -> list[str]:
        """The functions that are at work in a thread."""
        return [_named(function) for run, function in list(self._at_work) if run is self._run]


def _is_asyncios(callback: Any) -> bool:
    """Those of sleeps and timeouts: they end with the task, which is looked at."""
    return getattr(callback, "__module__", None) in _ASYNCIOS


def _named(function: Any) -> str:
    while isinstance(function, partial):
        in_context = isinstance(getattr(function.func, "__self__", None), Context)  # as `asyncio.to_thread` has it
        function = function.args[0] if in_context else function.func
    return f"{brief(getattr(function, '__qualname__', type(function).__qualname__))}()"


def _described(descriptor: int) -> str:
    """What is behind a file descriptor, for a person."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        closed = _is_closed(descriptor)
        return f"the loop still watches a {'file that is closed' if closed else 'pipe or a child process'}"
    try:
        peer, here = _address(found.getpeername), _address(found.getsockname)
        if peer is None:
            return f"a socket{f' on {here}' if here else ''} is still open"
        return f"a connection{f' to {peer}' if peer else ''} is still open"
    finally:
        found.detach()


def _address(ask: Callable[[], Any]) -> str | None:
    try:
        found = ask()
    except OSError:
        return None
    return f"{found[0]}:{found[1]}" if isinstance(found, tuple) else str(found or "")


def _is_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


def nothing() -> None:
    """Do nothing."""
