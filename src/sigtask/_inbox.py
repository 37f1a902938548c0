"""What one task knows about its signals, and every decision about them.

Read this file first. It decides and never acts: no loop, no clock, no `cancel()`. `_task` acts on what it says,
`_shim` throws, `_blocks` opens and closes the blocks that raise and lower the threshold.

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
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from .signals import KILL_LEVEL, Interrupt, Signal

HISTORY = 1000
"""How many signals a task remembers. A server that reloads on a signal for a year must not grow by it."""


class Fate(Enum):
    """What became of a signal (R21)."""

    HELD = "held"
    THROWN = "thrown"
    SUPERSEDED = "superseded"
    ABSORBED = "absorbed"
    HANDLED = "handled"
    CONSUMED = "consumed"
    REFUSED = "refused"


class Delivery:
    """One signal that was sent to one task, and what became of it (R21).

    `signal` is the copy with the task as its target. `fate` is `HELD` from its arrival until something else happens.
    `caught_at` is where (`"file:line"`) the task caught it when it was thrown and the task went on, else `None`;
    `taken_back` says that its request was then taken back, by `catch` or `uncancel()`, as is right; `refused` is how
    many more awaits a Kill had to answer.
    """

    __slots__ = ("caught_at", "fate", "forced", "refused", "signal", "taken_back")

    def __init__(self, signal: Signal, *, forced: bool = False) -> None:
        self.signal = signal
        self.fate = Fate.HELD
        self.caught_at: str | None = None
        self.taken_back = False
        self.refused = 0
        self.forced = forced

    def __repr__(self) -> str:
        return f"<{self.signal!r} {self.fate.value}>"


class Block(Protocol):
    """What an inbox asks of the blocks open in its task (`_blocks`)."""

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


class Inbox:
    """The signals of one task. Made when the first one is sent or the first block is opened, not before."""

    __slots__ = (
        "__weakref__",
        "abandoned",
        "ended",
        "extra",
        "flying",
        "held",
        "history",
        "in_force",
        "listens_at",
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
        self.task: Callable[[], Any] = weakref.ref(task)
        self.history: deque[Delivery] = deque(maxlen=HISTORY)
        self.held: list[Delivery] = []
        self.flying: Delivery | None = None
        self.weight = 0  # cancel requests that the signal in flight stands for
        self.in_force: list[tuple[Delivery, int]] = []  # each with the requests it stands for
        self.extra = 0  # requests made by raising at once, of which asyncio's own count knows nothing
        self.plain_held = 0  # plain cancels held by mask(plain=True)
        self.plain_msg: object = None
        self.plain_last = False  # the last thing thrown in was a plain cancellation
        self.top: Block | None = top
        self.listens_at = KILL_LEVEL  # the weakest level this task ever asked for (R26)
        self.waiters: list[tuple[type[Signal], Any]] = []
        self.stops: tuple[Any, ...] = ()  # the ladders at work on this task
        self.ended: Signal | None = None
        self.unclaimed: Signal | None = None
        self.abandoned = False

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
        level = delivery.signal.level
        return level > self.mask_level if delivery.forced else level >= self.threshold

    @property
    def force(self) -> int:
        """The level in force: of what was thrown into the task and not taken back."""
        return max((delivery.signal.level for delivery, _ in self.in_force), default=0)

    def handler(self, signal: Signal) -> Block | None:
        """The innermost `on_signal` that names this signal's class (R15)."""
        block = self.top
        while block is not None:
            if block.inbox is self and block.handles(signal):
                return block
            block = block.prev
        return None

    # -- arrivals -------------------------------------------------------------------------------------------------

    def judge(self, delivery: Delivery) -> bool:
        """Settle an arrival that no callback took: hold, absorb or supersede it; `True` if it is to fly."""
        level = delivery.signal.level
        if not self.admits(delivery):
            self._hold(delivery)
        elif level <= self.force:
            delivery.fate = Fate.ABSORBED
        elif self.flying is not None and level <= self.flying.signal.level:
            delivery.fate = Fate.SUPERSEDED
        else:
            return True
        return False

    def _hold(self, delivery: Delivery) -> None:
        signal = delivery.signal
        if any(type(other.signal) is type(signal) for other in self.held):
            delivery.fate = Fate.ABSORBED  # as in Unix, a signal that is pending already is not queued twice
            return
        self.held.append(delivery)
        self._ask_to_look_again(signal.level)
        for cls, future in self.waiters:
            if isinstance(signal, cls) and not future.done():
                future.set_result(signal)

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
        found = [delivery.signal for delivery in self.held if isinstance(delivery.signal, cls)]
        return max(found, key=lambda signal: signal.level, default=None)

    def pick(self) -> Delivery | None:
        """Take what the threshold now admits out of `held`: the strongest, if it is thrown; the others end here."""
        ready = [delivery for delivery in self.held if self.admits(delivery)]
        if not ready:
            return None
        self.held = [delivery for delivery in self.held if delivery not in ready]
        best = max(ready, key=lambda delivery: delivery.signal.level)
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
        delivery.fate = Fate.THROWN
        self.plain_last = False
        self.in_force.append((delivery, weight))
        return delivery

    def raise_now(self, delivery: Delivery) -> None:
        """The signal is raised by a block at once: in force, by a request that asyncio has not counted."""
        delivery.fate = Fate.THROWN
        self.plain_last = False
        self.extra += 1
        self.in_force.append((delivery, 1))

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
            if delivery.signal.origin is signal.origin:
                del self.in_force[index]
                delivery.taken_back = True
                return weight
        return 0  # raised by hand: nobody asked for it

    def settle(self, count: int) -> None:
        """After an `uncancel()`: what `count` requests no longer cover has been taken back.

        Other requests go first: a timeout inside a cleanup takes back its own, not the signal's.
        """
        while self.in_force and count < sum(weight for _, weight in self.in_force):
            self.in_force.pop()[0].taken_back = True

    # -- afterwards -----------------------------------------------------------------------------------------------

    def note_end(self, error: CancelledError) -> None:
        """Remember what ended the task: a clean copy, for the raised one holds frames (R22)."""
        if isinstance(error, Signal):
            if error.target is None and (task := self.task()) is not None:
                error.stamp(task, task.get_name(), task.get_name())  # raised by hand: as if it had been sent
            self.ended = error.copy()
        elif self.flying is not None:  # sent while the task ran, which then returned without another await
            self.ended = self.land().signal
        elif self.in_force and not self.plain_last:  # somebody's cleanup put a fresh CancelledError in its place
            self.ended = self.in_force[-1][0].signal

    def claim(self, error: CancelledError) -> CancelledError:
        """What an awaiter sees, where asyncio has `error`: the raised signal itself the first, copies the others."""
        if self.ended is None:
            self.note_end(error)
            return error if isinstance(error, Signal) or self.ended is None else self.ended.copy()
        first, self.unclaimed = self.unclaimed, None
        return self.ended.copy() if first is None else first
