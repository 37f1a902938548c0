"""The task that takes signals.

What is done with a signal is decided in `inbox`; here it is acted on. Only this module and `flight` call asyncio's
`cancel`.

An ordinary task pays for two slots and the shim: there is no `__init__` on the factory's path, no instance dict, and
the inbox is made when the first signal is sent or the first block opened.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import CancelledError, _get_running_loop, current_task
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import signals
from ..signals import KILL_LEVEL, Drain, Interrupt, Kill, Signal, Terminate, as_signal
from .delivery import Delivery, Fate
from .family import adopt
from .flight import came_back, cancel_plain, launch
from .function import Function, running
from .implementation import make_shim
from .inbox import Inbox

_T = TypeVar("_T")

if TYPE_CHECKING:
    _Base = asyncio.Task[_T]
else:

    class _Base(asyncio.Task, Generic[_T]):
        __slots__ = ()


# asyncio's own, bound once: a call through `super()` would look each of them up again.
_stock: Any = asyncio.Task
_init: Any = _stock.__init__
# Not `get_coro`: that of CPython 3.12.1 crashes for a task that started eagerly and is done.
_get_shim: Any = _stock._coro.__get__
_cancelling: Any = _stock.cancelling
_uncancel: Any = _stock.uncancel
_result: Any = _stock.result
_exception: Any = _stock.exception
_await: Any = _stock.__await__
_cancelled_error: Any = _stock._make_cancelled_error


# To look up a member of an Enum is slow on 3.11.
_THROWN, _SUPERSEDED, _HANDLED, _REFUSED = Fate.THROWN, Fate.SUPERSEDED, Fate.HANDLED, Fate.REFUSED


class Task(_Base[_T]):
    """An `asyncio.Task` that takes signals.

    Everything asyncio's task does, it does the same, and `cancel()` is unchanged to the letter. Made by
    `asyncio.create_task` in a loop with sigtask's task factory (`sigtask.install`), or directly, as `asyncio.Task`.
    """

    __slots__ = ("_inbox", "_parent", "_ref")

    _inbox: Inbox | None
    _parent: weakref.ref[Any] | None
    _ref: weakref.ref[Any] | None
    """To this task, made when it first spawns one: `None` says that it has no children to look for."""

    def __init__(self, coro: Coroutine[Any, Any, _T], **kwargs: Any) -> None:
        shim = make_shim(coro)
        adopt(self, current())
        _init(self, shim, **kwargs)

    # -- sending --------------------------------------------------------------------------------------------------

    def send_signal(self, sig: Signal | type[Signal]) -> bool:
        """Send this task a signal: thrown at the await it is in, or held, as the task's blocks say (R3, R5, R6).

        Returns `False` when the task is done already, which `history` records, else `True`. It returns at once:
        to wait for the task, use `stop()` or `asyncio.wait`, not `await task`, which would make you its next target.
        A signal that the task sends itself is thrown at its next await.

        Raises: `TypeError` when `sig` is no signal; `RuntimeError` when the task's loop runs in another thread: use
        `send_signal_threadsafe` there, and in a handler set with `signal.signal`.
        """
        return self._receive(as_signal(sig, "send_signal()")) is not _REFUSED

    def send_signal_threadsafe(self, sig: Signal | type[Signal]) -> None:
        """As `send_signal`, from any thread or from an OS signal handler; it takes effect when the loop next turns.

        Raises: `TypeError` when `sig` is no signal; `RuntimeError` when the loop is closed.
        """
        signal = as_signal(sig, "send_signal_threadsafe()")
        self.get_loop().call_soon_threadsafe(self.send_signal, signal)

    def drain(self, reason: object = None) -> bool:
        """Send `Drain(reason)`: finish what you have, take nothing new. As `send_signal`."""
        return self._receive(Drain(reason)) is not _REFUSED

    def interrupt(self, reason: object = None) -> bool:
        """Send `Interrupt(reason)`: stop what you are waiting for. As `send_signal`."""
        return self._receive(Interrupt(reason)) is not _REFUSED

    def terminate(self, reason: object = None) -> bool:
        """Send `Terminate(reason)`: clean up and end. As `send_signal`."""
        return self._receive(Terminate(reason)) is not _REFUSED

    def kill(self, reason: object = None) -> bool:
        """Send `Kill(reason)`: the task is done within two turns of the loop, whatever it does (R18, R19).

        Its synchronous `finally` code still runs; an await in it does not. It cannot reach a task that holds the
        thread, in a busy loop or a blocking call (R20).
        """
        return self._receive(Kill(reason)) is not _REFUSED

    def cancel(self, msg: Any = None, *, reason: object = None) -> bool:
        """asyncio's `cancel()`, to the letter, unless there is a reason (R4).

        With a signal as `reason` (or as `msg`) that signal is sent, with any other reason a `Terminate` of it.
        Returns `False` when the task is done. A signal given as `msg`, which is how a task passes its own on to the
        task it awaits, also returns `False` when it is held or changes nothing here: the sender then gets its own.

        A plain `cancel()` by the task that spawned this one, itself under a signal, passes that signal on (R9).

        Raises: `TypeError` when both `msg` and `reason` are given; with a signal or reason, as `send_signal`.
        """
        if reason is not None:
            if msg is not None:
                raise TypeError(f"cancel() takes msg={msg!r} or reason={reason!r}, not both; a reason says it all")
            if isinstance(reason, Signal) or (isinstance(reason, type) and issubclass(reason, Signal)):
                msg = as_signal(reason, "cancel()")
            else:
                msg = Terminate(reason)
            return self._receive(msg) is not _REFUSED
        inbox = self._inbox
        if isinstance(msg, Signal):  # from a task that awaits this one: `False` if it is to get its own later (R8)
            if inbox is not None and inbox.flying is not None and inbox.flying.given.origin is msg.origin:
                came_back(self)
            return self._receive(msg) is _THROWN
        if msg is None and (signal := self._passed_on()) is not None:
            return self._receive(signal, forced=True) is not _REFUSED
        if inbox is not None and inbox.masks_plain and not self.done():
            inbox.hold_plain(msg)
            return True
        return cancel_plain(self, msg)

    def _passed_on(self) -> Signal | None:
        """R9: the signal that the running task, this one's parent, is under, unless it has passed that on before.

        A second plain cancel goes as it came: asyncio throws it, where the signal would be absorbed (R5).
        """
        if self._parent is None or (parent := self._parent()) is None or parent is not current():
            return None
        theirs, ours = getattr(parent, "_inbox", None), self._inbox  # a parent may be a stock task
        if theirs is None or not theirs.in_force:
            return None
        signal: Signal = theirs.in_force[-1][0].signal
        before = () if ours is None else ours.history
        return None if any(one.forced and one.given.origin is signal.origin for one in before) else signal

    def _receive(self, signal: Signal, *, forced: bool = False) -> Fate:
        """Take in one signal. `THROWN` here says that it is taken: thrown soon, merged with one that is, or handled."""
        if _get_running_loop() is not (loop := self.get_loop()):
            self._check_thread(loop)
        inbox = self._inbox
        if inbox is None:
            inbox = self._mailbox()
        if signal.__traceback__ is not None:  # caught, and sent on: it holds frames
            given, signal = signal, signal.copy()
            signal._origin = given.origin
        name = None if signal.sender is not None or (sender := current()) is None else sender.get_name()
        delivery = Delivery(signal, (inbox.task, self.get_name()), name, forced)
        inbox.record(delivery)
        if inbox.in_force and inbox.flying is None:  # aiotools leaves an `uncancel` of its own, unseen, on a task
            inbox.settle(Task.cancelling(self))
        if self.done():
            delivery.fate = _REFUSED
            return _REFUSED
        if inbox.top is not None and delivery.level < KILL_LEVEL and self._is_handled(inbox, delivery.signal):
            delivery.fate = _HANDLED
            return _THROWN
        if inbox.judge(delivery):
            self._launch(inbox, delivery)
            return _THROWN
        return _THROWN if delivery.fate is _SUPERSEDED else delivery.fate

    def _is_handled(self, inbox: Inbox, signal: Signal) -> bool:
        block = inbox.handler(signal)
        return block is not None and block.take(self, signal)

    def _launch(self, inbox: Inbox, delivery: Delivery) -> None:
        """Put a signal in flight: asyncio's `cancel` makes the throw happen, the shim throws the signal."""
        inbox.launch(delivery)
        shim = _get_shim(self)
        shim.send = shim._resume
        launch(self, delivery.given)  # goes on to the awaited task, with the signal as its message (R8)

    def _check_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.is_running():
            raise RuntimeError(f"{self!r} belongs to a loop in another thread; use send_signal_threadsafe() from here")

    # -- what the blocks use --------------------------------------------------------------------------------------

    def _mailbox(self) -> Inbox:
        inbox = self._inbox
        if inbox is None:
            inbox = self._inbox = Inbox(self)
            if self.__class__ is FreshTask:
                self.__class__ = _full
        return inbox

    def _release(self) -> None:
        """A block closed somewhere else: throw what the threshold now lets pass, at the await the task is in."""
        inbox = self._inbox
        if inbox is None or self.done():
            return
        if (delivery := inbox.pick()) is not None:
            self._launch(inbox, delivery)
        if inbox.plain_held and not inbox.masks_plain:
            inbox.extra += inbox.plain_held - 1
            inbox.plain_held = 0
            cancel_plain(self, inbox.plain_msg)

    # -- counts (R23) ---------------------------------------------------------------------------------------------

    def cancelling(self) -> int:
        """The number of cancel requests not taken back, as in asyncio; a signal counts as one."""
        inbox = self._inbox
        count: int = _cancelling(self)
        return count if inbox is None else count + inbox.extra + inbox.plain_held

    def uncancel(self) -> int:
        """Take back one cancel request, as in asyncio; gives the number left."""
        inbox = self._inbox
        if inbox is None:
            return int(_uncancel(self))
        if inbox.plain_held:
            inbox.plain_held -= 1
        elif inbox.extra:
            inbox.extra -= 1
        else:
            _uncancel(self)
        count = self.cancelling()
        inbox.settle(count)
        return count

    # -- afterwards -----------------------------------------------------------------------------------------------

    @property
    def threshold(self) -> int:
        """Signals at or above this level are thrown into the task now, those below are held (R11)."""
        inbox = self._inbox
        return Interrupt.level if inbox is None else inbox.threshold

    @property
    def history(self) -> tuple[Delivery, ...]:
        """Every signal this task was sent, in order, and what became of it (R21); the last 1,000 of them."""
        inbox = self._inbox
        return () if inbox is None else tuple(inbox.history)

    @property
    def ended_by(self) -> Signal | None:
        """The signal that ended this task; `None` while it runs and when it ended in any other way (R21)."""
        if not self.cancelled():
            return None
        inbox = self._mailbox()
        if inbox.ended is None:
            try:
                _result(self)
            except CancelledError as error:
                inbox.note_end(error)
                if isinstance(error, Signal):
                    # asyncio hands it out once, and the first awaiter is still to get it: without this very frame.
                    inbox.unclaimed = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        return inbox.ended

    def _claim(self, error: CancelledError) -> CancelledError:
        """R22: what an awaiter is to see of this task's end."""
        if self._inbox is None and not isinstance(error, Signal):
            return error
        return self._mailbox().claim(error)

    def result(self) -> _T:
        """As in asyncio. Ended by a signal, it raises that signal, to every caller (R22)."""
        try:
            return _result(self)  # type: ignore[no-any-return]  # asyncio's own, bound above
        except CancelledError as error:
            claimed = self._claim(error)
            _awaken_running()  # it may end that task as well (R22)
        finally:
            del self  # an error raised through here holds this frame, and the task holds the error
        try:
            raise claimed
        finally:
            del claimed

    def exception(self) -> BaseException | None:
        """As in asyncio. Ended by a signal, it raises that signal."""
        if self.cancelled():
            self.result()
        return _exception(self)  # type: ignore[no-any-return]  # asyncio's own, bound above

    def __await__(self) -> Generator[Any, None, _T]:
        if self.cancelled():
            self.result()  # an iterator made now would give a plain CancelledError
        return _await(self)  # type: ignore[no-any-return]  # asyncio's own, bound above

    __iter__ = __await__

    def _make_cancelled_error(self) -> CancelledError:
        # `asyncio.gather` asks each child for its error by this name, and by no public one. Cancelled itself while all
        # its children went on, it asks the last of them, which has none of its own.
        if self.cancelled():
            try:
                self.result()
            except CancelledError as error:
                return error
        return _cancelled_error(self)  # type: ignore[no-any-return]  # asyncio's own, bound above

    if sys.version_info[:2] == (3, 13):

        def set_name(self, value: object) -> None:
            # The first releases of 3.13 call this with the None that stands for "no name given".
            if value is not None:
                super().set_name(value)

    # -- the user's coroutine, never the shim -----------------------------------------------------------------------

    def get_coro(self) -> Any:
        """The user's coroutine; `None` once a task that started eagerly is done, as in asyncio."""
        shim = _get_shim(self)
        return None if shim is None else shim.coro

    @property
    def _coro(self) -> Any:
        # asyncio's repr, get_stack and print_stack read the coroutine by this name.
        return self.get_coro()


_full: Any = Task


class FreshTask(Task[_T]):
    """A task that has met no signal yet: asyncio's own C methods stand where `Task` has Python.

    The factory makes these, and `_mailbox` turns one into a `Task` by its `__class__`: when its first signal is
    sent, its first block opened, a cancellation thrown into it, or a signal made inside it. So awaiting an ordinary
    task costs what it costs in asyncio.
    """

    __slots__ = ()

    __init__ = _stock.__init__
    cancelling = _stock.cancelling
    uncancel = _stock.uncancel
    result = _stock.result
    exception = _stock.exception
    __await__ = _stock.__await__
    __iter__ = _stock.__iter__
    _make_cancelled_error = _stock._make_cancelled_error


def current() -> Any:
    """The running task, or `None`: also with no loop running, as in `Runner.close`."""
    try:
        return current_task()
    except RuntimeError:
        return None


def here(call: object) -> Task[Any] | Function:
    """The running task, or the function that has the thread. Raises: `RuntimeError` for neither, or a stock task."""
    task: Any = current()
    if isinstance(task, Task):
        return task
    if task is None and running.function is not None:
        return running.function
    name = repr(task)
    # A frame of a raised error must not hold the task that will hold the error: here and in all that raises below.
    del task
    if name == "None":
        raise RuntimeError(f"{call} works in a task only, and none is running here")
    raise RuntimeError(
        f"{call} works in a sigtask task, and {name} is a stock one; "
        f"call sigtask.install() before it is created, or start the program with sigtask.run()"
    )


def _awaken_running() -> None:
    try:
        task: Any = current_task()
    except RuntimeError:
        return
    if task.__class__ is FreshTask:
        task._mailbox()


signals.signal_made = _awaken_running  # it may be about to raise the signal: R22 then needs a Task in full
for _cls in (Task, FreshTask):
    _cls.__module__, _cls.__name__, _cls.__qualname__ = "sigtask", "Task", "Task"
