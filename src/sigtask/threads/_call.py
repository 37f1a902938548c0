"""One call of a function in a thread, from both sides: the future that its task awaits, and the function itself.

asyncio cancels a task by calling `cancel(msg)` of what it awaits: that is how signals come in. Signals that are pending
in the task are forwarded by a watcher in its inbox, because the function is a part of the task (R12).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextvars import Context
from typing import Any

from .._core.flight import as_sent
from .._stop.places import C_FUNCTION, thread_place, thread_stack
from ..report import ThreadReport
from ..signals import KILL_LEVEL, Signal
from . import _workers
from ._function import Function
from ._injected import Injected

_future = asyncio.Future


class ThreadFunction(Function):
    """The function, as the blocks in its thread see it."""

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], owner: Any, context: Context, loop: AbstractEventLoop
    ) -> None:
        super().__init__(fn, args, owner)
        self.call: Call | None = None
        self.thread: threading.Thread | None = None
        self.abandoned = False
        self._context = context
        self._loop = loop

    def work(self) -> None:
        """The whole work of the worker's thread."""
        self.thread = threading.current_thread()
        # A Kill may leave this thread behind in `input()`, which only borrows the file (before Python 3.14). An
        # interpreter that finalizes would then close it, and abort, as the thread has its lock. This frame stays as
        # long as the thread does: what its locals refer to is never freed.
        _stdin = sys.stdin
        self._context.run(self.run)
        _workers.workers.rest()
        self._to_the_loop(self._finish)

    def _to_the_loop(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            self._loop.call_soon_threadsafe(callback)

    def _finish(self) -> None:
        if self.call is not None:
            self.call.finish(self)
            self.call = None
        self.error = None  # it holds frames, which hold the caller's arguments

    # -- how a signal gets in -----------------------------------------------------------------------------------------

    def inject(self) -> bool:
        """As in `Function`: by `PyThreadState_SetAsyncExc`; without ctypes, the function comes to a checkpoint."""
        from ._hit import hit  # imported when needed: ctypes takes longer to import than all of sigtask

        return self.thread is not None and hit(self.thread.ident, Injected)

    def withdraw(self) -> None:
        """As in `Function`."""
        from ._hit import spare

        if self.thread is not None:
            spare(self.thread.ident)

    def inject_soon(self) -> None:
        """As in `Function`: at the loop's next turn."""
        self._to_the_loop(self.hit_again)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> LoopTimer:
        """As in `Function`: by the loop's clock."""
        return LoopTimer(self._loop, seconds, callback)

    # -- for the report -----------------------------------------------------------------------------------------------

    def get_name(self) -> str:
        """The name of its thread."""
        return "no thread yet" if self.thread is None else self.thread.name

    def hear(self, signal: Signal) -> None:
        """A signal is pending in the task, and so in the function (R12)."""
        self.receive(signal)

    @property
    def stays(self) -> bool:
        """Whether a Kill has left it behind."""
        return not self.gone

    @property
    def gone(self) -> bool:
        """Whether the function has ended, or has not begun."""
        return self.thread is None or self.finished

    def place(self) -> str | None:
        """Where it is, `thread NAME at file:line in function`; `None` when it is done."""
        return None if self.gone else f"thread {self.get_name()} {self._where()}"

    def _where(self) -> str:
        place = thread_place(self._ident)
        return f"{'in' if place.endswith(C_FUNCTION) else 'at'} {place}"

    def note(self) -> str | None:
        """What the report says about it: it was left behind, or its task waits for it. `None` when it is done."""
        if self.gone:
            return None
        where = self._where()
        if self.hit and where.startswith("at"):
            where = f"in a C call {where}"
        if self.abandoned:
            return f"thread {self.get_name()} was left behind {where}; it keeps its place in the limiter"
        held = [type(one.signal).__name__ for one in self.inbox.pending if one.signal.level <= self.inbox.mask_level]
        return f"thread {self.get_name()} still {where}{f', where a mask holds {held[-1]}' if held else ''}"

    def left_behind(self) -> ThreadReport | None:
        """The thread, if a Kill has left it behind and the function still runs."""
        if self.gone or not self.abandoned:
            return None
        return ThreadReport(self.get_name(), daemon=True, where=thread_stack(self._ident))

    @property
    def _ident(self) -> int:
        return 0 if self.thread is None else self.thread.ident or 0


class Call(asyncio.Future[Any]):
    """What the task awaits. It ends when the function ends, however often it is cancelled, or by a Kill."""

    def __init__(self, function: ThreadFunction, release: Callable[[], object], loop: AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._function = function
        self._release = release
        function.call = self

    def cancel(self, msg: Any = None) -> bool:
        """Pass it on to the function. True if the function takes it, and the task must go on waiting (R8)."""
        if self.done():
            return False
        msg = as_sent(self._function.owner, msg)
        if not isinstance(msg, Signal):
            return self._function.receive_plain(msg)
        taken = self._function.receive(msg)
        if msg.level < KILL_LEVEL:
            return taken
        self._function.abandoned = not self._function.ended
        return _future.cancel(self, msg)

    def finish(self, function: ThreadFunction) -> None:
        """The function has ended, and its thread is free."""
        self._release()  # not before: the limiter counts threads, not tasks that wait for one
        if self.done():  # by a Kill
            return
        error = function.error
        if error is None:
            self.set_result(function.box[0])
        elif isinstance(error, StopIteration):
            self.set_exception(RuntimeError(f"{function!r:.200} raised StopIteration"))
        else:
            self.set_exception(error)
            self.exception()  # its task is about to see it; a task that was killed meanwhile is not to be blamed


class LoopTimer:
    """A timer of the loop, set and cancelled in a thread."""

    def __init__(self, loop: AbstractEventLoop, seconds: float, callback: Callable[[], object]) -> None:
        self._loop = loop
        self._handle: TimerHandle | None = None
        self._cancelled = False
        loop.call_soon_threadsafe(self._start, seconds, callback)

    def _start(self, seconds: float, callback: Callable[[], object]) -> None:
        if not self._cancelled:
            self._handle = self._loop.call_later(seconds, callback)

    def cancel(self) -> None:
        """Cancel it: it does not fire after the loop's next turn."""
        self._cancelled = True
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its timers with it
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
