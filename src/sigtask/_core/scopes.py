"""What leaves a scope of the standard library: `TaskGroup`, `timeout()`, `wait_for()`, `shield()` (R5, R22, R31).

`install()` and `run()` wrap these, for the whole process. Who is sent no signal sees no difference.

A TaskGroup that is being left waits for its children, and takes whatever comes in the meantime for a repeat. A signal
is more than that: the strongest that came in is what leaves the group. When an error leaves it in its place, the
signal is thrown at the next await, where asyncio, from Python 3.13 on, throws a `CancelledError`. Before 3.13, group
and timeout also take a subclass of `CancelledError` for an error of their body (python/cpython#113848); each is handed
`CancelledError` itself in the subclass's place. And before 3.12 `wait_for` gives its result when a signal comes in the
same turn, and forgets the signal: it is thrown at the next await.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import CancelledError
from typing import Any

from ..signals import KILL_LEVEL, Signal
from .delivery import Delivery, strongest
from .family import Kin
from .handling import led_to
from .inbox import Inbox
from .stock import current

_SUBCLASSES_COUNT = sys.version_info >= (3, 13)


class Leaving:
    """One scope that a task is leaving: the signals that led to that, and how many had come by then."""

    __slots__ = ("_led", "_left_at", "_owed")

    def __init__(self, inbox: Inbox | None, entered_at: int, error: BaseException | None) -> None:
        self._left_at, self._owed = (0, 0) if inbox is None else (inbox.landed, inbox.owed)
        self._led = [] if inbox is None or error is None else _led(inbox, entered_at, error)
        if inbox is not None and inbox.again is not None:
            self._led.append(inbox.again)  # an inner scope has been left by an error in its place

    def strongest(self, inbox: Inbox) -> Delivery | None:
        """The strongest of the signals that led to leaving the scope, or came while it was left."""
        return strongest([*self._led, *inbox.landed_since(self._left_at)])

    def has(self, delivery: Delivery) -> bool:
        """Whether this signal is one of those."""
        return delivery in self._led or delivery.number > self._left_at

    def answers(self, inbox: Inbox) -> bool:
        """Whether the `cancel()` that asyncio's group makes of itself, for a request that it found, is for a signal.

        That is thrown again, if it came into the group; else the task has handled it long ago, and goes on (R5).
        """
        return inbox.owed < self._owed or self.strongest(inbox) is not None


def _led(inbox: Inbox, entered_at: int, error: BaseException) -> list[Delivery]:
    """Those that were thrown into the scope's body, and that `error` is, or was raised in the handling of."""
    under = inbox.plain_under if inbox.plain_thrown is not None and inbox.plain_thrown() is error else None
    try:
        return [
            one
            for one in inbox.landed_since(entered_at)
            if not one.taken_back and one.thrown is not None and (one is under or led_to(error, one.thrown()))
        ]
    finally:
        del error


leaving: dict[Any, Leaving] = {}
"""The innermost TaskGroup that each task is just leaving."""


def wrap_scopes() -> None:
    """Wrap them all; doing it twice does nothing."""
    scopes: tuple[Any, ...] = (asyncio.TaskGroup, asyncio.Timeout)
    for scope in scopes:
        if not hasattr(scope.__aexit__, "_sigtask"):
            scope.__aenter__ = _marked(scope.__aenter__)
            scope.__aexit__ = _wrapped(scope.__aexit__, is_group=scope is asyncio.TaskGroup)
    if sys.version_info < (3, 12) and not hasattr(asyncio.wait_for, "_sigtask"):
        asyncio.wait_for = asyncio.tasks.wait_for = _wrapped_wait_for(asyncio.wait_for)
    if not hasattr(asyncio.shield, "_sigtask"):
        asyncio.shield = asyncio.tasks.shield = _wrapped_shield(asyncio.shield)


def _marked(original: Any) -> Any:
    @functools.wraps(original)
    def __aenter__(self: Any) -> Any:
        if (inbox := getattr(current(), "_inbox", None)) is not None:
            self._sigtask_entered = inbox.landed
        return original(self)

    return __aenter__


def _wrapped(original: Any, *, is_group: bool) -> Any:
    @functools.wraps(original)
    async def __aexit__(self: Any, et: Any, exc: Any, tb: Any) -> Any:
        task, left = current(), None
        if not isinstance(task, Kin):
            try:
                return await original(self, et and _as_plain(et), exc, tb)
            finally:
                del self, et, exc, tb, task  # the exception keeps this frame, and would be in a cycle with it
        scope, outer = Leaving(task._inbox, getattr(self, "_sigtask_entered", 0), exc), leaving.get(task)
        if is_group:
            leaving[task] = scope
        try:
            taken = await original(self, et and _as_plain(et), exc, tb)
            left = None if taken else exc  # which goes on, as it is
            return taken
        except BaseException as error:
            left = error
            raise
        finally:
            try:
                if is_group:
                    if outer is None:
                        del leaving[task]
                    else:
                        leaving[task] = outer
                if task._inbox is not None:  # a signal may have come meanwhile, and with it the inbox
                    _let_the_strongest_leave(task, scope, left, is_group=is_group)
            finally:
                del self, et, exc, tb, left, task, scope, outer

    __aexit__._sigtask = True  # type: ignore[attr-defined]
    return __aexit__


def _as_plain(et: Any) -> Any:
    return et if _SUBCLASSES_COUNT or not issubclass(et, CancelledError) else CancelledError


def _let_the_strongest_leave(task: Any, scope: Leaving, left: BaseException | None, *, is_group: bool) -> None:
    """Raise what is to leave the scope in the place of `left`, or have it thrown at the next await."""
    try:
        came = scope.strongest(task._inbox)
        if came is None or came is task._inbox.again:
            return
        if left is None or isinstance(left, CancelledError):
            if not (isinstance(left, Signal) and left.level >= came.level):
                raise task._inbox.revived(came)
        elif is_group and came.level < KILL_LEVEL and not isinstance(left, (SystemExit, KeyboardInterrupt)):
            task._throw_again(came)
    finally:
        del left, scope, task


def _wrapped_wait_for(original: Any) -> Any:
    @functools.wraps(original)
    async def wait_for(fut: Any, timeout: Any) -> Any:  # noqa: ASYNC109  # asyncio's own signature
        task = current()
        if timeout is None or not isinstance(task, Kin):
            return await original(fut, timeout)
        came_before = 0 if task._inbox is None else task._inbox.landed
        try:
            result = await original(fut, timeout)
        except Exception:
            _throw_what_was_forgotten(task, came_before)
            raise
        _throw_what_was_forgotten(task, came_before)
        return result

    wait_for._sigtask = True  # type: ignore[attr-defined]
    return wait_for


def _throw_what_was_forgotten(task: Any, came_before: int) -> None:
    """What `fut` runs has a task of its own there: what was thrown into this one has met `wait_for` alone."""
    forgotten = None if task._inbox is None else strongest(task._inbox.landed_since(came_before))
    if forgotten is not None and forgotten.level < KILL_LEVEL:
        task._throw_again(forgotten)


def _wrapped_shield(original: Any) -> Any:
    @functools.wraps(original)
    def shield(arg: Any) -> Any:
        inner = asyncio.ensure_future(arg)
        if not isinstance(inner, Kin) or inner.done():
            return original(inner)
        outer: asyncio.Future[Any] | None = None

        def pass_on(inner: Any) -> None:
            # asyncio's own callback is about to cancel the outer one without a word.
            if outer is not None and inner.cancelled() and (signal := inner.ended_by) is not None:
                signal = signal.copy()
                signal._ended_another = True
                outer.cancel(msg=signal)

        def forget(outer: object) -> None:
            inner.remove_done_callback(pass_on)

        inner.add_done_callback(pass_on)
        outer = made = original(inner)
        made.add_done_callback(forget)
        return made

    shield._sigtask = True  # type: ignore[attr-defined]
    return shield
