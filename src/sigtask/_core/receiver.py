"""How a task takes a signal: it does what its inbox decides.

The private part of `task.Task`. Only this module, `flight` and `task` call asyncio's `cancel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..signals import KILL_LEVEL, Signal
from . import stock
from .delivery import Addressee, Delivery, Fate, went_on
from .family import Kin, descendants
from .flight import free, launch, passed_on
from .handling import is_handling, is_handling_now
from .inbox import Inbox
from .kill import watch
from .stock import current, running_loop

_T = TypeVar("_T")

if TYPE_CHECKING:
    import asyncio

    class _Base(asyncio.Task[_T], Kin):
        _inbox: Inbox | None
else:

    class _Base(Kin, Generic[_T]):
        __slots__ = ()


_cancel = stock.cancel
# Looking up an Enum member is slow on 3.11.
_IN_FLIGHT, _SUPERSEDED, _HANDLED, _REFUSED = Fate.IN_FLIGHT, Fate.SUPERSEDED, Fate.HANDLED, Fate.REFUSED
_NESTED = 0.01
"""Seconds until a loop that turns inside a step of the task (nest_asyncio's) looks again whether the task waits."""


class Receiver(_Base[_T]):
    """The private part of a task."""

    __slots__ = ()

    def _is_passed_on(self) -> bool:
        """R9: a plain cancel by the parent, which is handling a signal: that is its cause, and it stays a plain one.

        `True` says that it need not be thrown: this task handles a signal as strong, and its cleanup is not torn by
        the first plain cancel that the parent makes of its own.
        """
        parent = self._parent
        if parent is None or (theirs := getattr(parent, "_inbox", None)) is None or not parent._is_running():
            return False
        force: Delivery | None = theirs.in_force()
        if force is None or self.done():
            return False
        inbox = self._mailbox()
        is_first = inbox.cause is None or inbox.cause.origin is not force.given.origin
        inbox.cause = force.signal
        if is_first and inbox.absorbing(force.level) is not None:
            return True
        inbox.cause_is_due = True
        return False

    def _receive(self, signal: Signal, awaited: bool = False, sender: Any = None, /) -> Fate:
        """Take in one signal. `IN_FLIGHT` here says that it is taken: thrown soon, merged with one that is, or handled.

        `awaited` says that it comes from a task that awaits this one. `sender` is the task that sends it, by default
        the running one.
        """
        if running_loop() is not (loop := self.get_loop()) and loop.is_running():
            raise RuntimeError(f"{self!r} belongs to a loop in another thread; use send_signal_threadsafe() from here")
        inbox = self._inbox or self._mailbox()
        if signal.__traceback__ is not None:  # it was caught and sent on: it holds frames
            given, signal = signal, signal.copy()
            signal._origin = given.origin
        if sender is None:
            sender = current()
        name = None if sender is None or signal.sender is not None else sender.get_name()
        delivery = Delivery(signal, Addressee(inbox.task, self.get_name()), name, inbox.task)
        inbox.history.add(delivery)
        if awaited:
            passed_on(signal, delivery)
        if inbox.covers and (theirs := getattr(sender, "_inbox", None)) is not None:
            delivery.inside = inbox.is_inside_of(theirs)
        if self.done():
            delivery.fate = _REFUSED
        elif inbox.blocks and delivery.level < KILL_LEVEL and self._is_handled(inbox, delivery.signal):
            delivery.fate = _HANDLED
            return _IN_FLIGHT
        elif inbox.judge(delivery, running=self._is_running()):
            self._launch(inbox, delivery)
        else:
            if inbox.pending and inbox.pending[-1] is delivery:
                self._look_later()
            if delivery.level >= KILL_LEVEL:
                self._doom(delivery)
            if delivery.fate is _SUPERSEDED:
                return _IN_FLIGHT
        return delivery.fate

    def _is_handled(self, inbox: Inbox, signal: Signal) -> bool:
        block = inbox.handler(signal)
        return block is not None and block.take(self, signal)

    def _launch(self, inbox: Inbox, delivery: Delivery, *, alone: bool = False) -> None:
        """Put a signal in flight: asyncio's `cancel` makes the throw happen, the shim throws the signal.

        It goes on to the awaited task, with the signal as its message (R8); `alone`, it does not.
        """
        # The one before was taken by what this task awaits: its requests are taken back (R8).
        stock.take_back(self, inbox.launch(delivery))
        shim = stock.get_shim(self)
        shim.send = shim._resume
        if alone:
            if not free(self):
                _cancel(self)
        else:
            launch(self, delivery)
        if delivery.level >= KILL_LEVEL:
            self._doom(delivery)

    def _cancel_plainly(self, inbox: Inbox, msg: object) -> bool:
        """Not to be taken for a signal that what this task awaits took before (R8, R9); it may be taken there, too."""
        if inbox.flying is not None and went_on(inbox.flying):
            stock.take_back(self, inbox.consume())
        if inbox.cause_is_due:
            inbox.plain_below = True
            shim = stock.get_shim(self)
            shim.send = shim._resume
        return bool(_cancel(self, msg))

    def _doom(self, delivery: Delivery) -> None:
        """R19: what a killed task has spawned dies with it, and what it spawns from now on."""
        inbox = self._mailbox()
        if inbox.doom is None and not self.done():
            inbox.doom = delivery
            watch(inbox)
            for task in descendants([self]):
                task._is_taken_along(delivery.given)

    def _is_taken_along(self, kill: Signal) -> None:
        """The task that spawned this one, or that one's, is killed. What this one awaits is not: it is cut loose."""
        inbox = self._mailbox()
        if inbox.doom is None and not self.done():
            inbox.doom = delivery = Delivery(kill, Addressee(inbox.task, self.get_name()), None, inbox.task)
            inbox.history.add(delivery)
            watch(inbox)
            if self._is_running():
                inbox.pending = (*inbox.pending, delivery)
                self._look_later()
            else:
                self._launch(inbox, delivery, alone=True)

    def _throw_again(self, delivery: Delivery) -> None:
        """A signal has come into a scope, and something else leaves it: it is thrown at the next await."""
        inbox = self._mailbox()
        if not delivery.taken_back:
            stock.take_back(self, delivery.requests)
        inbox.throw_again(delivery)
        self._look_later()

    def _wake_up(self) -> None:
        """It is dying, and waits for what does not come: it is thrown into once more."""
        _cancel(self)
        free(self)

    # -- what its inbox and the blocks use ------------------------------------------------------------------------

    def _mailbox(self) -> Inbox:
        inbox: Inbox | None = self._inbox
        if inbox is None:
            inbox = self._inbox = Inbox(self)
        return inbox

    def _is_running(self) -> bool:
        """Whether its coroutine is running: the task itself, or code that it has called, sends the signal."""
        coro = self.get_coro()
        at_work: bool | None = getattr(coro, "cr_running", None)
        if at_work is None:
            at_work = getattr(coro, "gi_running", None)
        return self is current() if at_work is None else at_work

    def _is_handling(self, signal: Signal) -> bool:
        return is_handling_now(signal) if self._is_running() else is_handling(self.get_coro(), signal)

    def _look_later(self) -> None:
        """A pending signal may be thrown: look at the loop's next turn, when the task waits."""
        inbox = self._mailbox()
        if not inbox.looking and inbox.is_due and not (loop := self.get_loop()).is_closed():
            loop.call_soon(self._look)
            inbox.looking = True  # not before: call_soon() fails where the stack is full

    def _look(self) -> None:
        """Throw pending signals that may be thrown now, at the await the task is in."""
        inbox = self._mailbox()
        inbox.looking = False
        if self.done():
            return
        if self._is_running():
            self.get_loop().call_later(_NESTED, self._look)
            inbox.looking = True
            return
        if inbox.pending:
            delivery = inbox.pick()
            if delivery is not None:
                self._launch(inbox, delivery)
            elif inbox.pending:
                inbox.missed += 1
        if inbox.plain_held and not inbox.masks_plain:
            count, inbox.plain_held = inbox.plain_held, 0
            for _ in range(count):
                self._cancel_plainly(inbox, inbox.plain_msg)
