"""The thin object between an asyncio task and the user's coroutine.

asyncio's C task drives a coroutine with two calls, `send(None)` and `throw(error)`. The shim's `send` *is* the
coroutine's own bound `send`, so an ordinary step runs no Python of ours. `throw` puts the signal in flight in the
place of the empty `CancelledError` that asyncio throws. While a signal is in flight, and only then, `send` is
`_resume`, which notices that an awaited task consumed it (R8).

A raised exception holds the frames it passed, and a frame holds its locals. So no function here may leave an
exception, or a task that will hold one, in a local variable: each clears them on its way out. With a cycle there, a
finished task would wait for the garbage collector, and asyncio's own tests look for that.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task, iscoroutine
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..signals import KILL_LEVEL, Kill, Signal

if TYPE_CHECKING:
    from .inbox import Inbox


class Killed(BaseException):
    """What a killed coroutine gets in the end, at an await that ate the Kill itself (R19)."""


KILL_ROUNDS = 20
"""How many awaits a Kill answers before the coroutine is abandoned (R19)."""

_abandoned_count = 0


def abandoned_count() -> int:
    """How many coroutines this process has abandoned (R19). Each stays in memory until the process ends."""
    return _abandoned_count


class Shim:
    """Drives `coro` for a task. Made without `__init__`, which would cost every spawn a Python call."""

    __slots__ = ("coro", "send")

    coro: Coroutine[Any, Any, Any]
    send: Any

    def throw(self, error: BaseException) -> Any:
        """asyncio's throw. A cancellation that a signal asked for becomes that signal."""
        inbox: Inbox | None = getattr(current_task(), "_inbox", None)
        try:
            if inbox is None and isinstance(error, Signal):
                inbox = _running()._mailbox()  # an awaited task's: it may end this one too (R22)
            if inbox is None or inbox.flying is None:
                if inbox is not None and isinstance(error, CancelledError):
                    inbox.plain_last = not isinstance(error, Signal)
                return self.coro.throw(error)
            self.send = self.coro.send
            if inbox.flying.level >= KILL_LEVEL:
                return self._kill(inbox)
            if isinstance(error, CancelledError):
                return self._deliver(inbox, error)
            _consume(inbox)  # the awaited task answered with an error of its own
            return self.coro.throw(error)
        finally:
            del error, inbox

    def _deliver(self, inbox: Inbox, error: CancelledError) -> Any:
        delivery = inbox.land()
        signal = delivery.fresh()
        if (trace := error.__traceback__) is not None:
            signal.__traceback__ = trace  # what the cancelled await has to tell
        try:
            yielded = self.coro.throw(signal)
            delivery.caught_at = _outermost(signal)
            return yielded
        except StopIteration:
            delivery.caught_at = _outermost(signal)
            raise
        except Signal as raised:
            if raised is signal and not signal.__dict__ and signal.__cause__ is delivery.given.__cause__:
                inbox.passed_out = delivery  # just as it came in: no note, no partial result was added
            raise
        finally:
            del signal, error, trace

    def _resume(self, value: None) -> Any:
        """asyncio's send while a signal is in flight: what was awaited has returned."""
        self.send = self.coro.send
        inbox = _inbox_of_current_task()
        try:
            if inbox is not None and inbox.flying is not None:
                if inbox.flying.level >= KILL_LEVEL:
                    return self._kill(inbox)
                _consume(inbox)
            return self.coro.send(value)
        finally:
            del inbox

    def _kill(self, inbox: Inbox) -> Any:
        """R19: throw it in, answer every later await with it again; what is not finished by then is abandoned.

        The later answers are a `Killed`, which is no CancelledError. Code that waits on for its children after a
        cancellation, as TaskGroup does, would eat every Kill and keep the frames around it from their `finally`.
        """
        delivery, others = inbox.land(), None
        try:
            for turn in range(KILL_ROUNDS):
                try:
                    _refuse(self.coro.throw(delivery.fresh() if turn < KILL_ROUNDS // 2 else Killed()))
                except Kill:
                    raise
                except (StopIteration, CancelledError, Killed):
                    break  # it swallowed the Kill and returned, or put another in its place: that changes nothing
                except BaseExceptionGroup as group:
                    others = group.split(Killed)[1]  # to a TaskGroup it was an error of its body, which it wraps
                    if others is None:
                        break
                    raise others from None
                delivery.refused += 1
            else:
                _abandon(self.coro)
                inbox.abandoned = True
            raise delivery.fresh()
        finally:
            del delivery, inbox, others

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
    shim.send = coro.send
    return shim


def _running() -> Any:
    return current_task()


def _inbox_of_current_task() -> Inbox | None:
    return getattr(current_task(), "_inbox", None)


def _consume(inbox: Inbox) -> None:
    task = _running()
    kind: Any = type(task)
    held, inbox.plain_held = inbox.plain_held, 0  # a plain cancel that a mask holds stays held (R14)
    for _ in range(inbox.consume()):
        kind.uncancel(task)  # not one that a library put on this task, as aiotools' shield does
    inbox.plain_held = held


def _refuse(awaited: Any) -> None:
    """Do not await what the coroutine yields. A future is marked as it is yielded, and who takes it takes the mark off.

    That is the protocol of asyncio's futures, which `asyncio.isfuture` goes by; with the mark left on, the next task to
    await this future would get "await wasn't used with future".
    """
    if getattr(awaited, "_asyncio_future_blocking", None):
        awaited._asyncio_future_blocking = False


def _outermost(signal: Signal) -> str | None:
    """The frame that caught the signal: a traceback's first entry is the last frame it came to."""
    trace = signal.__traceback__
    return None if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _abandon(coro: object) -> None:
    """Keep `coro` alive for ever: closing it could spin, and the interpreter closes what it frees, even at exit."""
    global _abandoned_count
    _abandoned_count += 1
    try:
        from ctypes import py_object, pythonapi
    except ImportError:  # a Python built without ctypes: alive at least until the interpreter clears its modules
        _kept.append(coro)
    else:
        pythonapi.Py_IncRef(py_object(coro))


_kept: list[object] = []
