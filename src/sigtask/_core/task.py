"""The task that takes signals: what a user sees of it.

What is done with a signal is decided in `inbox`, and acted on in `receiver`.

An ordinary task pays for a few slots and the shim: there is no `__init__` on the factory's path, no instance dict, and
the inbox is made when the first signal is sent or the first block opened.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from asyncio import CancelledError
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from ..signals import KILL_LEVEL, Drain, Interrupt, Kill, Signal, Terminate, as_signal
from . import stock
from .delivery import HISTORY, Addressee, Delivery, Fate, History, watchers
from .ending import claim, ended_by
from .family import attach, note_parent, note_stock_parent
from .flight import came_back, free
from .inbox import Inbox
from .native import speed
from .receiver import Receiver
from .scopes import leaving
from .shim import Shim, make_shim
from .stock import current

_T = TypeVar("_T")
_cancel, _result, _exception = stock.cancel, stock.result, stock.exception
_IN_FLIGHT, _REFUSED = Fate.IN_FLIGHT, Fate.REFUSED  # looking up an Enum member is slow on 3.11


class Task(Receiver[_T]):
    """An `asyncio.Task` that takes signals.

    Everything asyncio's task does, it does the same way. Make one with `sigtask.create_task`, or with
    `asyncio.create_task` in a loop that has sigtask's task factory (`sigtask.run`, `sigtask.install`), or directly, as
    an `asyncio.Task`.

    Args:
        coro: The coroutine to run.
        kwargs: As for `asyncio.Task`: `loop`, `name`, `context`, `eager_start`.

    Raises:
        TypeError: When `coro` is not a coroutine.
        RuntimeError: When no loop is given and none is running.

    Example::

        async def worker():
            await asyncio.sleep(3600)

        task = create_task(worker())
        await asyncio.sleep(0)
        task.terminate("disk full")
        await asyncio.wait([task])
        print(task.ended_by)  # disk full (level 30, from Task-1)

    .. versionadded:: 0.1.0
    """

    __slots__ = ()

    def __init__(self, coro: Coroutine[Any, Any, _T], **kwargs: Any) -> None:
        shim = make_shim(coro)
        attach(self, shim)
        adopt(self, shim, parent := current())
        stock.init(self, shim, **kwargs)
        note_stock_parent(self, parent)

    # -- sending --------------------------------------------------------------------------------------------------

    def send_signal(self, sig: Signal | type[Signal]) -> bool:
        """Send a signal to this task. It returns at once and does not wait for the task.

        The signal is thrown at the await that the task is in, or it is pending, as the task's blocks say. Sent to the
        running task, it is thrown when that next waits; if the task returns before, its result stands. To wait for the
        task, use `stop()` or `asyncio.wait`; `await task` would make the waiting task a target of its next signal.

        A signal is absorbed while the task handles one that is as strong. A stronger one is thrown into that cleanup.

        Args:
            sig: A signal class, or an instance.

        Returns:
            False when the task is already done, which `history` records; else True.

        Raises:
            TypeError: When `sig` is not a signal.
            RuntimeError: When the task's loop runs in another thread, and in a handler set with `signal.signal`: use
                `send_signal_threadsafe`.
        """
        return self._receive(as_signal(sig, "send_signal()")) is not _REFUSED

    def send_signal_threadsafe(self, sig: Signal | type[Signal]) -> None:
        """Send a signal from any thread or from an OS signal handler. It takes effect when the loop next turns.

        Raises:
            TypeError: When `sig` is not a signal.
            RuntimeError: When the loop is closed.
        """
        signal = as_signal(sig, "send_signal_threadsafe()")
        self.get_loop().call_soon_threadsafe(self.send_signal, signal)

    def drain(self, reason: object = None) -> bool:
        """Send `Drain(reason)`: finish what you have, take nothing new. See `send_signal`."""
        return self._receive(Drain(reason)) is not _REFUSED

    def interrupt(self, reason: object = None) -> bool:
        """Send `Interrupt(reason)`: stop what you are waiting for. See `send_signal`."""
        return self._receive(Interrupt(reason)) is not _REFUSED

    def terminate(self, reason: object = None) -> bool:
        """Send `Terminate(reason)`: clean up and end. See `send_signal`."""
        return self._receive(Terminate(reason)) is not _REFUSED

    def kill(self, reason: object = None) -> bool:
        """Send `Kill(reason)`: the task, and all tasks that it has spawned, end within a few turns of the loop.

        A task without children is done within two turns; one with children within about eight turns per generation.
        Synchronous code in `finally` runs; an await there raises the Kill again. A coroutine that goes on after 20 such
        awaits is abandoned: never resumed, never closed. A Kill cannot reach a task that blocks the loop.
        """
        return self._receive(Kill(reason)) is not _REFUSED

    def cancel(self, msg: Any = None, *, reason: object = None) -> bool:
        """Cancel as asyncio does; with a `reason`, send a signal instead.

        `cancel()` and `cancel(msg)` are the same as in asyncio, to the letter.

        Args:
            msg: As in asyncio. A signal here is sent as such, as when a task passes its own signal on to a task it
                awaits; the result is then False also when the signal is pending or absorbed here.
            reason: A signal is sent as it is. For any other object, `Terminate(reason)` is sent.

        Returns:
            False when the task is already done, else True.

        Raises:
            TypeError: When both `msg` and `reason` are given.
            RuntimeError: With a signal or reason, as `send_signal`.
        """
        if reason is not None:
            if msg is not None:
                raise TypeError(
                    f"cancel() takes msg={msg!r:.200} or reason={reason!r:.200}, not both; a reason says it all"
                )
            if isinstance(reason, Signal) or (isinstance(reason, type) and issubclass(reason, Signal)):
                return self._receive(as_signal(reason, "cancel()")) is not _REFUSED
            return self._receive(Terminate(reason)) is not _REFUSED
        if isinstance(msg, Signal):  # from a task that awaits this one: `False` if it is to get its own later (R8)
            inbox = self._inbox
            if inbox is not None and inbox.flying is not None and inbox.flying.given.origin is msg.origin:
                came_back(self)
            return self._receive(as_signal(msg, "cancel()"), True) is _IN_FLIGHT
        if self._is_passed_on():
            return True
        if (inbox := self._inbox) is not None and not self.done():
            if inbox.masks_plain:
                inbox.hold_plain(msg)
                return True
            if leaving and self._is_running() and (scope := leaving.get(self)) and scope.answers(inbox):
                return True  # a TaskGroup, which an error leaves: what is thrown again is the signal (`scopes`)
            return self._cancel_plainly(inbox, msg)
        return bool(_cancel(self, msg))

    # -- counts (R23) ---------------------------------------------------------------------------------------------

    def cancelling(self) -> int:
        """The number of cancel requests that were not taken back, as in asyncio. A signal counts as one."""
        inbox = self._inbox
        count: int = stock.cancelling(self)
        return count if inbox is None else count + inbox.plain_held + (inbox.again is not None)

    def uncancel(self) -> int:
        """Take back one cancel request, as in asyncio. Returns the number that is left."""
        inbox = self._inbox
        if inbox is None:
            return int(stock.uncancel(self))
        if inbox.plain_held:
            inbox.plain_held -= 1
            inbox.drop_cause()
        elif inbox.again is not None and not stock.cancelling(self):
            inbox.forget_again()
        else:
            stock.uncancel(self)
        count = self.cancelling()
        inbox.settle(count)
        return count

    # -- afterwards -----------------------------------------------------------------------------------------------

    @property
    def threshold(self) -> int:
        """Signals at or above this level are thrown; weaker ones are pending. 20 when no block is open."""
        inbox = self._inbox
        return Interrupt.level if inbox is None else inbox.threshold

    @property
    def history(self) -> tuple[Delivery, ...]:
        """The signals that this task was sent, in order, and what became of each. It keeps 20.

        Of more, it drops the oldest signals that changed nothing first, then the weakest.
        """
        if (inbox := self._inbox) is None:
            return ()
        inbox.history.forget()
        return tuple(inbox.history)

    @property
    def ended_by(self) -> Signal | None:
        """The signal that ended this task, or under which its parent cancelled it; otherwise `None`.

        A signal that was raised by hand, and not sent, is known only until somebody awaits the task.
        """
        return ended_by(self) if self.cancelled() else None

    def result(self) -> _T:
        """As in asyncio. If a signal has ended the task, every call raises that signal."""
        try:
            return _result(self)  # type: ignore[no-any-return]  # asyncio's own, bound above
        except CancelledError as error:
            claimed = claim(self._mailbox(), error)
        finally:
            del self  # an error raised through here holds this frame, and the task holds the error
        try:
            raise claimed
        finally:
            del claimed

    def exception(self) -> BaseException | None:
        """As in asyncio. If a signal has ended the task, every call raises that signal."""
        if self.cancelled():
            self.result()
        return _exception(self)  # type: ignore[no-any-return]  # asyncio's own, bound above

    def __await__(self) -> Generator[Any, None, _T]:
        return _end_of(self) if self.cancelled() else stock.iterate(self)  # the latter would know of no signal

    __iter__ = __await__

    def _make_cancelled_error(self) -> CancelledError:
        # `asyncio.gather` asks each child for its error by this name, and by no public one. Cancelled itself while all
        # its children went on, it asks the last of them, which has none of its own.
        if self.cancelled():
            try:
                _result(self)
            except CancelledError as error:  # the traceback without this very frame: it holds its callers
                return claim(self._mailbox(), error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return stock.cancelled_error(self)  # type: ignore[no-any-return]  # asyncio's own

    if sys.version_info[:2] == (3, 13):

        def set_name(self, value: object) -> None:
            # The first releases of 3.13 call this with the None that stands for "no name given".
            if value is not None:
                super().set_name(value)

    # -- the user's coroutine, never the shim -----------------------------------------------------------------------

    def get_coro(self) -> Any:
        """The coroutine that was given to the task; `None` once a task that started eagerly is done, as in asyncio."""
        shim = stock.get_shim(self)
        return None if shim is None else shim.coro

    @property
    def _coro(self) -> Any:
        # asyncio's repr, get_stack and print_stack read the coroutine by this name.
        return self.get_coro()


_full: Any = Task


class FreshTask(Task[_T]):
    """A task that has met no signal yet: asyncio's own C methods stand where `Task` has Python.

    The factory makes these, and `_mailbox` turns one into a `Task` by its `__class__`: when its first signal is sent
    or its first block opened. So awaiting an ordinary task costs what it costs in asyncio.
    """

    __slots__ = ()

    def _mailbox(self) -> Inbox:
        self.__class__ = _full
        inbox: Inbox = self._mailbox()
        return inbox

    cancel = Task.cancel if speed is None else speed.Kin.cancel
    cancelling = stock.cancelling
    uncancel = stock.uncancel
    result = stock.result
    exception = stock.exception
    __await__ = stock.iterate
    __iter__ = stock.iterate
    _make_cancelled_error = stock.cancelled_error
    # What asyncio looks up in a task that is awaited: found here, and not seven classes further up.
    get_loop = stock.StockTask.get_loop
    add_done_callback = stock.StockTask.add_done_callback
    _asyncio_future_blocking = stock.StockTask._asyncio_future_blocking


def _end_of(task: Task[_T]) -> Generator[Any, None, _T]:
    """The iterator of a task that has been ended: the error comes at its first step."""
    return task.result()
    yield


def adopt(task: Any, shim: Any, parent: Any) -> None:
    """Note who spawned this task (R9, R25), and what comes of that: a mask that covers it (R14), a Kill (R19)."""
    note_parent(task, parent)
    theirs: Inbox | None = getattr(parent, "_inbox", None)
    if theirs is None:
        return
    covers, doom = tuple(theirs.open_masks()), theirs.doom
    if not covers and doom is None:
        return
    inbox = task._inbox = Inbox(task, covers)
    task.__class__ = _full
    if doom is not None:
        inbox.doom = delivery = Delivery(
            doom.given, Addressee(inbox.task, "a task born killed"), doom.sender, inbox.task
        )
        inbox.history.add(delivery)
        inbox.launch(delivery)
        shim.send = shim._born_killed


def _raise_claimed(task: Any, error: CancelledError) -> None:
    """The end of `Task.result`, for this error of asyncio's."""
    claimed = claim(task._mailbox(), error)
    try:
        raise claimed
    finally:
        del claimed, error, task


class _Signature:
    """What `inspect` says of a signal's class: from Python 3.13 on it does not understand an `__init__` in C."""

    def __init__(self) -> None:
        self.ours = inspect.signature(Signal)

    def __get__(self, signal: Signal | None, cls: type[Signal]) -> inspect.Signature:
        if cls.__init__ is not Signal.__init__:
            raise AttributeError("__signature__")  # the class has an `__init__` of its own
        return self.ours


if speed is not None:
    _NAMES = {
        "fresh": FreshTask,
        "full": Task,
        "signal": Signal,
        "cancelled": CancelledError,
        "history": History,
        "watchers": watchers,
        # Up to Python 3.11 `asyncio.current_task` is itself written in Python, and this is what it asks.
        "current_task": asyncio.current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get,  # type: ignore[attr-defined,unused-ignore]
        "running_loop": stock.running_loop,
        "iscoroutine": asyncio.iscoroutine,
        "monotonic": time.monotonic,
        "adopt": adopt,
        "note_stock_parent": note_stock_parent,
        "cancel": Task.cancel,
        "receive": Receiver._receive,
        "send_signal": Task.send_signal,
        "uncancel": Task.uncancel,
        "claim": _raise_claimed,
        "throw": Shim.throw,
        "addressed": Signal.addressed,
        "free": free,
        "history_limit": 2 * HISTORY,
        "interrupt_level": Interrupt.level,
        "kill_level": KILL_LEVEL,
        **{cls.__name__: cls for cls in (Drain, Interrupt, Terminate, Kill)},
        **{fate.name.lower(): fate for fate in Fate},
    }
    _SIGNATURES = {
        "send_signal": "sig",
        "cancel": "msg=None, *, reason=None",
        "uncancel": "",
        "result": "",
        **dict.fromkeys(("drain", "interrupt", "terminate", "kill"), "reason=None"),
    }
    _DOCS = {name: f"{name}($self, {what})\n--\n\n{vars(Task)[name].__doc__}" for name, what in _SIGNATURES.items()}
    Signal.__signature__ = _Signature()  # type: ignore[attr-defined]
    Signal.__init__ = speed.bind(_NAMES, _DOCS)  # type: ignore[method-assign]
    for _name in speed.STRAIGHT:
        setattr(Task, _name, getattr(speed.Kin, _name))
    FreshTask._mailbox = speed.Kin._mailbox  # type: ignore[method-assign]

for _cls in (Task, FreshTask):
    _cls.__module__, _cls.__name__, _cls.__qualname__ = "sigtask", "Task", "Task"
