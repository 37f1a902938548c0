"""What one task knows about its signals, and every decision about them.

Read this file first. It decides and never acts: no loop, no clock, no `cancel()`. `task` acts on what it says,
`shim` throws, `blocks` opens and closes the blocks that raise and lower the threshold.

The rules kept here
  R5   Levels only rise: while a signal of level L is in force, one of level <= L is absorbed.
  R6   Of several signals before the task next runs, the strongest flies; the others are recorded as superseded.
  R11  The threshold of a new task is Interrupt.
  R13  An open `accept` lowers it.  R14  An open `mask` raises it, for tasks spawned inside as well, and always wins.
  R15  An open `on_signal` handles what it names.
  R21  Nothing is lost without a record.

The life of one signal

    send ──► handled                     a callback took it
      ├────► held ──► (a block opens or closes) ──► in flight or raised at once
      ├────► absorbed                    one as strong is in force
      ├────► superseded                  a stronger one is in flight
      └────► in flight ──► thrown        now it is in force, until its request is taken back
                 └───────► consumed      the task that was awaited took it and returned (R8)

What it does not do: it knows nothing of plain `cancel()` but the count of those a `mask(plain=True)` holds back.
"""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from ..report import ThreadReport
from ..signals import KILL_LEVEL, Interrupt, Signal
from .delivery import Delivery, Fate

HISTORY = 1000
"""How many signals a task remembers. A server that reloads on a signal for a year must not grow by it."""


class Block(Protocol):
    """What an inbox asks of the blocks open in its task (`blocks`)."""

    prev: Any  # a Block, or None for the outermost
    inbox: Inbox | None
    masks: int
    accepts: int
    plain: bool
    waiting: list[Callable[[], Any]]

    def handles(self, signal: Signal) -> bool:
        """Whether it is an `on_signal` that names this signal's class."""
        ...

    def take(self, task: Any, signal: Signal) -> bool:
        """Run its callback; `False` when that failed."""
        ...


_THROWN = Fate.THROWN  # to look up a member of an Enum is slow on 3.11
Waiter = tuple[type[Signal], Any]
"""Somebody who waits for a signal of a class to be held: anything that has a future's `done` and `set_result`."""


class Outside(Protocol):
    """The work that a task waits for outside its loop: a function in a thread, for example. A report asks after it."""

    @property
    def stays(self) -> bool:
        """Whether a report is to show it though its task waits for it no longer: after a Kill."""
        ...

    def hear(self, signal: Signal) -> object:
        """The task holds this signal."""
        ...

    def place(self) -> str | None:
        """Where it stands; `None` when it is done, or stands nowhere."""
        ...

    def note(self) -> str | None:
        """What the task's row is to say of it; `None` for nothing."""
        ...

    def left_behind(self) -> ThreadReport | None:
        """The thread that a Kill has left behind, if it is still there."""
        ...


class Inbox:
    """The signals of one task. Made when the first one is sent or the first block is opened, not before.

    Empty is a tuple here, which costs nothing: one signal, as a rule, ends a task.
    """

    __slots__ = (
        "__weakref__",
        "_ended",
        "abandoned",
        "extra",
        "flying",
        "held",
        "history",
        "in_force",
        "listens_at",
        "outside",
        "passed_out",
        "plain_held",
        "plain_last",
        "plain_msg",
        "stops",
        "task",
        "top",
        "unclaimed",
        "waiters",
        "weight",
    )

    def __init__(self, task: object, top: Block | None = None) -> None:
        self.task: weakref.ref[Any] = weakref.ref(task)
        self.history: list[Delivery] = []
        self.held: tuple[Delivery, ...] = ()
        self.flying: Delivery | None = None
        self.weight = 0  # cancel requests that the signal in flight stands for
        self.in_force: tuple[tuple[Delivery, int], ...] = ()  # each with the requests it stands for
        self.extra = 0  # requests made by raising at once, of which asyncio's own count knows nothing
        self.plain_held = 0  # plain cancels held by mask(plain=True)
        self.plain_msg: object = None
        self.plain_last = False  # the last thing thrown in was a plain cancellation
        self.top: Block | None = top
        self.listens_at = KILL_LEVEL  # the weakest level this task ever asked for (R26)
        self.waiters: tuple[Waiter, ...] = ()
        self.stops: tuple[Any, ...] = ()  # the ladders at work on this task
        self.outside: tuple[Outside, ...] = ()  # what it waits for outside the loop
        self.passed_out: Delivery | None = None  # it was seen to leave the coroutine just as it was thrown in
        self.unclaimed: Signal | None = None
        self.abandoned = False
        self._ended: Signal | None = None

    # -- the threshold --------------------------------------------------------------------------------------------

    @property
    def mask_level(self) -> int:
        """The highest level an open mask holds here: this task's own, or one it was spawned inside of (R14)."""
        level, block = 0, self.top
        while block is not None:
            if block.masks > level and self._is_under(block):
                level = block.masks
            block = block.prev
        return level

    @property
    def threshold(self) -> int:
        """Signals at or above this level are thrown, those below are held. A mask wins over an accept."""
        level, block = Interrupt.level, self.top
        while block is not None:
            if block.inbox is self and block.accepts < level:
                level = block.accepts
            block = block.prev
        return max(level, self.mask_level + 1)

    @property
    def masks_plain(self) -> bool:
        """Whether a `mask(plain=True)` is open here."""
        block = self.top
        while block is not None and not (block.plain and self._is_under(block)):
            block = block.prev
        return block is not None

    def _is_under(self, block: Block) -> bool:
        """Whether a block is open here. One that leaked out of another task ended with that task (R17)."""
        owner = block.inbox
        if owner is None or owner is self:
            return owner is self
        task = owner.task()
        return task is not None and not task.done()

    def admits(self, delivery: Delivery) -> bool:
        """Whether the signal may be thrown now. One that a parent passed on is only stopped by a mask (R9)."""
        if self.top is None:
            return delivery.level >= Interrupt.level or delivery.forced
        return delivery.level > self.mask_level if delivery.forced else delivery.level >= self.threshold

    @property
    def force(self) -> int:
        """The level in force: of what was thrown into the task and not taken back."""
        return max([delivery.level for delivery, _ in self.in_force], default=0)

    def handler(self, signal: Signal) -> Block | None:
        """The innermost `on_signal` that names this signal's class (R15)."""
        block = self.top
        while block is not None:
            if block.inbox is self and block.handles(signal):
                return block
            block = block.prev
        return None

    # -- arrivals -------------------------------------------------------------------------------------------------

    @property
    def cover(self) -> Block | None:
        """The blocks around what the task starts inside a mask: it is covered while the mask lasts (R14)."""
        return self.top if self.top is not None and (self.mask_level or self.masks_plain) else None

    def add_waiter(self, entry: Waiter) -> None:
        """Set its future to the next signal of its class that is held."""
        self.waiters = (*self.waiters, entry)

    def remove_waiter(self, entry: Waiter) -> None:
        """Wait no more."""
        self.waiters = tuple(other for other in self.waiters if other is not entry)

    def record(self, delivery: Delivery) -> None:
        """Remember it: the last `HISTORY` of them."""
        self.history.append(delivery)
        if len(self.history) > HISTORY:
            del self.history[0]

    def judge(self, delivery: Delivery) -> bool:
        """Settle an arrival that no callback took: hold, absorb or supersede it; `True` if it is to fly."""
        if self.top is None and self.flying is None and not self.in_force and delivery.level >= Interrupt.level:
            return True  # a task's first signal, as a rule: what follows would say the same
        if not self.admits(delivery):
            self._hold(delivery)
        elif self.in_force and delivery.level <= self.force:
            delivery.fate = Fate.ABSORBED
        elif self.flying is not None and delivery.level <= self.flying.level:
            delivery.fate = Fate.SUPERSEDED
        else:
            return True
        return False

    def _hold(self, delivery: Delivery) -> None:
        if any(type(other.given) is type(delivery.given) for other in self.held):
            delivery.fate = Fate.ABSORBED  # as in Unix, a signal that is pending already is not queued twice
            return
        self.held = (*self.held, delivery)
        self._ask_to_look_again(delivery.level)
        for cls, future in self.waiters:
            if isinstance(delivery.given, cls) and not future.done():
                future.set_result(delivery.signal)

    def hold_plain(self, msg: object) -> None:
        """A `mask(plain=True)` holds this `cancel(msg)` back."""
        self.plain_held += 1
        self.plain_msg = msg
        self._ask_to_look_again(0)

    def _ask_to_look_again(self, level: int) -> None:
        """The end of each mask that somebody else opened and that holds this must look here (R14)."""
        block = self.top
        while block is not None:
            holds = block.masks >= level if level else block.plain
            if holds and block.inbox is not None and block.inbox is not self:
                block.waiting.append(self.task)
            block = block.prev

    def requested(self, cls: type[Signal]) -> Signal | None:
        """The strongest held signal of that class, the first of equals (R12)."""
        found = [delivery.signal for delivery in self.held if isinstance(delivery.given, cls)]
        return max(found, key=lambda signal: signal.level, default=None)

    def pick(self) -> Delivery | None:
        """Take what the threshold now admits out of `held`: the strongest, if it is thrown; the others end here."""
        ready = [delivery for delivery in self.held if self.admits(delivery)]
        if not ready:
            return None
        self.held = tuple(delivery for delivery in self.held if delivery not in ready)
        best = max(ready, key=lambda delivery: delivery.level)
        for delivery in ready:
            if delivery is not best:
                delivery.fate = Fate.SUPERSEDED
        return best if self.judge(best) else None

    # -- flight ---------------------------------------------------------------------------------------------------

    def launch(self, delivery: Delivery) -> None:
        """The signal is on its way; a weaker one that was is superseded (R6)."""
        if self.flying is not None:
            self.flying.fate = Fate.SUPERSEDED
        self.flying = delivery
        self.weight += 1

    def land(self) -> Delivery:
        """The signal in flight is being thrown: from now on it is in force."""
        delivery, weight = self.flying, self.weight
        assert delivery is not None
        self.flying, self.weight = None, 0
        delivery.fate = _THROWN
        self.plain_last = False
        if weight:
            self.in_force = (*self.in_force, (delivery, weight))
        else:
            delivery.taken_back = True
        return delivery

    def raise_now(self, delivery: Delivery) -> None:
        """The signal is raised by a block at once: in force, by a request that asyncio has not counted."""
        delivery.fate = _THROWN
        self.plain_last = False
        self.extra += 1
        self.in_force = (*self.in_force, (delivery, 1))

    def consume(self) -> int:
        """The task that was awaited took the signal (R8). Gives the number of requests to take back."""
        delivery, weight = self.flying, self.weight
        assert delivery is not None
        self.flying, self.weight = None, 0
        delivery.fate = Fate.CONSUMED
        return weight

    def take_back(self, signal: Signal) -> int:
        """`catch` took this signal: it is no longer in force. Gives the number of requests to take back."""
        for index, (delivery, weight) in reversed(list(enumerate(self.in_force))):
            if delivery.given.origin is signal.origin:
                self.in_force = (*self.in_force[:index], *self.in_force[index + 1 :])
                delivery.taken_back = True
                return weight
        return 0  # raised by hand: nobody asked for it

    def settle(self, count: int) -> None:
        """After an `uncancel()`: what `count` requests no longer cover has been taken back.

        Other requests go first: a timeout inside a cleanup takes back its own, not the signal's. Then what is in
        flight, which is thrown all the same, as in asyncio, but is not in force. (Its own request is counted a moment
        after it was launched: who only looks, does so when nothing is in flight.)
        """
        if self.flying is not None:
            self.weight = min(self.weight, max(0, count - sum(weight for _, weight in self.in_force)))
        while self.in_force and count < sum(weight for _, weight in self.in_force):
            self.in_force[-1][0].taken_back = True
            self.in_force = self.in_force[:-1]

    # -- afterwards -----------------------------------------------------------------------------------------------

    @property
    def ended(self) -> Signal | None:
        """What ended the task: a clean copy, for the raised one holds frames (R22). `None` as long as nobody knows."""
        if self._ended is None and self.passed_out is not None:
            self._ended = self.passed_out.signal
        return self._ended

    def note_end(self, error: CancelledError) -> None:
        """Remember that the task ended by this."""
        if isinstance(error, Signal):
            if error.target is None and (task := self.task()) is not None:  # raised by hand: as if it had been sent
                error.stamp((self.task, task.get_name()), task.get_name(), monotonic())
            self._ended = error.copy()
        elif self.flying is not None:  # sent while the task ran, which then returned without another await
            self._ended = self.land().signal
        elif self.in_force and not self.plain_last:  # somebody's cleanup put a fresh CancelledError in its place
            self._ended = self.in_force[-1][0].signal

    def claim(self, error: CancelledError) -> CancelledError:
        """What an awaiter sees, where asyncio has `error`: the raised signal itself the first, copies the others."""
        if self.ended is None:
            self.note_end(error)
        if isinstance(error, Signal) or self.ended is None:
            return error
        first, self.unclaimed = self.unclaimed, None
        return self.ended.copy() if first is None else first


def as_sent(task: object, msg: object) -> object:
    """The message of a `cancel()` that `task` hands on to what it awaits: a signal as it came to the task itself."""
    inbox: Inbox | None = getattr(task, "_inbox", None)
    flying = None if inbox is None else inbox.flying
    return msg if flying is None or flying.given is not msg else flying.signal
