"""The thin object between an asyncio task and the user's coroutine.

asyncio's C task drives a coroutine with two calls, `send(None)` and `throw(error)`. The shim's `send` *is* the
coroutine's own bound `send`, so an ordinary step runs no Python of ours. `throw` puts the signal in flight in the
place of the empty `CancelledError` that asyncio throws. While a signal is in flight, and only then, `send` is
`_resume`, which notices that an awaited task consumed it (R8).

The shim has the inbox from the moment that there is one, and asks nobody which task is running: a loop may step its
tasks without being "the running loop".

A raised exception holds the frames it passed, and a frame holds its locals. So no function here may leave an
exception, or a task that will hold one, in a local variable: each clears them on its way out. With a cycle there, a
finished task would wait for the garbage collector, and asyncio's own tests look for that.

From Python 3.14 on, `python -m asyncio ps` and the sampling profiler read the memory of another process, and take what
a task drives for a coroutine. So a shim is as long there as a coroutine is up to its code, and has no code there
(`BLANK`): that makes it one of which there is nothing to show, whatever its other fields look like. To have them find
the user's coroutine is not possible: they go from one object to the next only if both are of the same type.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError, iscoroutine
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any

from ..signals import KILL_LEVEL, Signal
from . import stock
from .delivery import is_as_it_came, was_taken_before
from .ending import awaken_the_running_task
from .inbox import Inbox
from .kill import die, go_on
from .native import speed

BLANK = ("to_a_reader_1", "to_a_reader_2", "to_a_reader_3", "to_a_reader_4", "to_a_reader_5")
"""Slots that are never set. In memory they come last, in the order of their names: the last is where code would be."""


class Shim:
    """Drives `coro` for a task. Made without `__init__`, which would cost every spawn a Python call."""

    __slots__ = ("coro", "inbox", "send", *(BLANK if sys.version_info >= (3, 14) else ()))

    coro: Coroutine[Any, Any, Any]
    inbox: Inbox | None
    send: Any

    def throw(self, error: BaseException) -> Any:
        """asyncio's throw. A cancellation that a signal asked for becomes that signal."""
        inbox = self.inbox
        try:
            if inbox is not None:
                inbox.await_ended(in_cancellation=isinstance(error, CancelledError))
            if inbox is None or inbox.flying is None:
                if inbox is not None and inbox.doom is not None:
                    return go_on(self, inbox, None if isinstance(error, CancelledError) else error)
                if isinstance(error, CancelledError):
                    error = _as_seen(error, inbox)
                return self.coro.throw(error)
            self.send = self.coro.send
            if inbox.flying.level >= KILL_LEVEL:
                return die(self, inbox)
            if not isinstance(error, CancelledError):
                _consume(inbox)  # the awaited task answered with an error of its own
            elif inbox.flying.below and was_taken_before(inbox.flying, error):
                _consume(inbox)  # it took the signal, and was then ended by something else
                error = _as_seen(error, inbox)
            else:
                return self._deliver(inbox, error)
            return self.coro.throw(error)
        finally:
            del self, error, inbox

    def _deliver(self, inbox: Inbox, error: CancelledError) -> Any:
        delivery = inbox.land()
        signal: Any = delivery.fresh()
        if (trace := error.__traceback__) is not None:
            signal.__traceback__ = trace  # the traceback of the cancelled await
        try:
            yielded = self.coro.throw(signal)
            delivery.caught_at = _outermost(signal)
            signal = None
            if not delivery.lives:
                delivery.thrown = None  # so that a report can say where it was swallowed
            return yielded
        except Signal as raised:
            if raised is signal and is_as_it_came(signal, delivery):
                inbox.ended = delivery  # no note, no partial result was added
            raise
        finally:
            del self, inbox, signal, error, trace

    def _resume(self, value: None) -> Any:
        """asyncio's send while a signal is in flight: what was awaited has returned."""
        self.send = self.coro.send
        inbox = self.inbox
        try:
            if inbox is not None:
                inbox.await_ended(in_cancellation=False)
                if inbox.flying is not None:
                    if inbox.flying.level >= KILL_LEVEL:
                        return die(self, inbox)
                    _consume(inbox)
                elif inbox.doom is not None:
                    return go_on(self, inbox, returned=True)
            return self.coro.send(value)
        finally:
            del self, inbox

    def _born_killed(self, value: None) -> None:
        """The first send to what a dying task spawns: it dies at the next turn, not inside its parent's step.

        Started eagerly, it would be done at once, and a parent that starts another each time would never wait.
        """
        self.send = self._resume

    def close(self) -> None:
        """For `collections.abc.Coroutine`; asyncio never calls it."""
        self.coro.close()

    def __await__(self) -> Any:
        """For `collections.abc.Coroutine`; asyncio never calls it."""
        return self.coro.__await__()


_new_shim = Shim.__new__


def make_shim(coro: Any) -> Shim:
    """The shim for `coro`. Raises: `TypeError` when it is not a coroutine."""
    if type(coro) is not CoroutineType and not iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    shim = _new_shim(Shim)
    shim.coro = coro
    shim.inbox = None
    shim.send = coro.send
    return shim


if speed is not None:
    make_shim = speed.make_shim
    # What is done with a signal is written once: these read and write `coro`, `inbox` and `send`, as both types do.
    for _name in ("_deliver", "_resume", "_born_killed", "close", "__await__"):
        setattr(speed.Shim, _name, vars(Shim)[_name])


def _as_seen(error: CancelledError, inbox: Inbox | None) -> CancelledError:
    """A cancellation that no signal in flight asked for: a plain one, or the end of what was awaited.

    A plain one stays what it is. That the parent's signal is behind it is its cause (R9). A signal as the message of
    a future's `cancel()`, as in `shield()`, is what ended the task behind that future (R22).
    """
    message = error.args[0] if type(error) is CancelledError and error.args else None
    if isinstance(message, Signal) and getattr(message, "_ended_another", False):
        shown = message.copy()
        shown._ended_another = True
        shown.__traceback__ = error.__traceback__
        error = shown
    if isinstance(error, Signal):
        awaken_the_running_task()
    elif inbox is not None:
        inbox.land_plain(error)
    return error


def _consume(inbox: Inbox) -> None:
    task = inbox.task()
    stock.take_back(task, inbox.consume())
    inbox.settle(stock.cancelling(task) + (inbox.again is not None))


def _outermost(signal: Signal) -> str | None:
    """The frame that caught the signal: a traceback's first entry is the last frame it came to."""
    trace = signal.__traceback__
    return None if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
