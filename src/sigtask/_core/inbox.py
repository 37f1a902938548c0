"""What one task knows about its signals, and every decision about them.

Read this file first. It decides and never acts: no loop, no clock, no `cancel()`. `task` acts on what it says, `shim`
throws, `blocks` opens and closes the blocks that raise and lower the threshold. What it cannot know, whether the task
runs and what it is handling, it asks its host (`host.Host`).

The rules kept here
  R5   A signal is absorbed while one as strong is being handled: in the `except`, `finally` or `with` it led to.
  R6   Of several signals before the task next runs, the strongest flies; the others are recorded as superseded.
  R11  The threshold of a new task is Interrupt.
  R12  What is pending is there to be asked for; a second one of its class is absorbed.
  R13  An open `accept` or `catch` lowers the threshold.
  R14  An open `mask` raises it, for tasks spawned inside as well, and always wins.
  R15  An open `on_signal` handles what it names.
  R21  Nothing is lost without a record.

The life of one signal

    send ──► handled                     a callback took it
      ├────► pending                     below the threshold, or the task runs: looked at when it next waits (R4)
      ├────► absorbed                    one as strong is being handled, or one of its class is pending
      ├────► superseded                  a stronger one is in flight
      └────► in flight ──► delivered     thrown into the task
                 └───────► consumed      the task that was awaited took it and went on (R8)

Of plain `cancel()` it knows the count of those a `mask(plain=True)` holds back, and the signal behind a parent's (R9).
"""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections.abc import Iterator
from typing import Any

from ..signals import KILL_LEVEL, Interrupt, Signal
from .around import Block, Outside, Waiter
from .delivery import HISTORY, Delivery, Fate, History, is_over, strongest
from .native import in_c

_PENDING, _IN_FLIGHT, _DELIVERED = Fate.PENDING, Fate.IN_FLIGHT, Fate.DELIVERED  # member look-up is slow on 3.11
_SUPERSEDED, _ABSORBED, _CONSUMED = Fate.SUPERSEDED, Fate.ABSORBED, Fate.CONSUMED


@in_c("Inbox")
class Inbox:
    """The signals of one task. Made when the first one is sent or the first block is opened, not before."""

    __slots__ = (
        "__weakref__",
        "abandoned",
        "again",
        "blocks",
        "cause",
        "cause_is_due",
        "caused",
        "covers",
        "delivered",
        "doom",
        "end",
        "end_is_known",
        "end_is_shown",
        "ended",
        "flying",
        "history",
        "landed",
        "looking",
        "missed",
        "nudged",
        "outside",
        "owed",
        "pending",
        "plain_below",
        "plain_held",
        "plain_msg",
        "plain_thrown",
        "plain_under",
        "stops",
        "task",
        "unclaimed",
        "waiters",
        "waits",
        "weight",
    )

    def __init__(self, task: object, covers: tuple[Any, ...] = ()) -> None:
        self.task: weakref.ref[Any] = weakref.ref(task)
        self.history = History()
        self.pending: tuple[Delivery, ...] = ()
        self.looking = False  # the loop will look at the pending signals at its next turn
        self.missed = 0  # how often it was in another mask by then
        self.flying: Delivery | None = None
        self.weight = 0  # cancel requests that the signal in flight stands for
        self.landed = 0  # how many have been thrown into the task
        self.owed = 0  # cancel requests that these stand for and that were not taken back
        self.delivered: tuple[Delivery, ...] = ()  # those that may still be handled
        self.again: Delivery | None = None  # one that is pending again: its request is still counted
        self.plain_below = False  # one was passed on to what the task awaits, which has not reacted yet
        self.plain_held = 0  # plain cancels held by mask(plain=True)
        self.plain_msg: object = None
        self.plain_thrown: weakref.ref[CancelledError] | None = None  # the last plain cancellation that was thrown,
        self.plain_under: Delivery | None = None  # and the signal that was being handled then
        self.cause: Signal | None = None  # the signal under which this task's parent last cancelled it (R9),
        self.cause_is_due = False  # whether that is still to be thrown,
        self.caused: tuple[weakref.ref[CancelledError], Signal | None] | None = None  # or else by what it was
        self.blocks: tuple[Any, ...] = ()  # open in this task, the innermost last
        self.covers: tuple[Any, ...] = covers  # masks of others that it was spawned inside of
        self.doom: Delivery | None = None  # the Kill that is ending it
        self.nudged = False  # a limit to its waiting is set,
        self.waits = 0  # how often it has waited for its children since
        self.waiters: tuple[Waiter, ...] = ()
        self.stops: tuple[Any, ...] = ()  # the ladders at work on this task
        self.outside: tuple[Outside, ...] = ()  # what it waits for outside the loop
        self.unclaimed: CancelledError | None = None  # what ended the task, until its first awaiter has seen it
        self.ended: Delivery | None = None  # the delivery that ended the task, if known,
        self.end: Signal | None = None  # the signal that says so,
        self.end_is_known = False  # whether that was looked up (`ending`),
        self.end_is_shown = False  # and whether all awaiters are to see that signal (R22)
        self.abandoned = False

    # -- the threshold --------------------------------------------------------------------------------------------

    def open_masks(self) -> Iterator[Any]:
        """The masks that are open here: of others, of its own. One that leaked out of a task ended with it (R17)."""
        for block in self.covers:
            owner = block.inbox
            if owner is not None and (task := owner.task()) is not None and not task.done():
                yield block
        for block in self.blocks:
            if block.masks or block.plain:
                yield block

    @property
    def mask_level(self) -> int:
        """The highest level an open mask holds here (R14)."""
        return max([mask.masks for mask in self.open_masks()], default=0)

    @property
    def masks_plain(self) -> bool:
        """Whether a `mask(plain=True)` is open here."""
        return any(mask.plain for mask in self.open_masks())

    @property
    def accept_level(self) -> int:
        """The lowest level that an open block accepts, and Interrupt without one (R11, R13)."""
        return min([block.accepts for block in self.blocks if block.accepts < Interrupt.level], default=Interrupt.level)

    @property
    def threshold(self) -> int:
        """Signals at or above this level are thrown, those below are pending. A mask wins over an accept."""
        return max(self.accept_level, self.mask_level + 1)

    def admits(self, delivery: Delivery) -> bool:
        """Whether the signal may be thrown now. A mask does not hold what comes from inside of it (R14)."""
        if delivery.level < self.accept_level:
            return False
        return all(mask.masks < delivery.level or mask in delivery.inside for mask in self.open_masks())

    def is_inside_of(self, sender: Inbox) -> tuple[Any, ...]:
        """The masks over this task that do not hold what comes from that one: it opened them, or is under them, too."""
        return tuple(mask for mask in self.covers if mask.inbox is sender or mask in sender.covers)

    def handler(self, signal: Signal) -> Block | None:
        """The innermost `on_signal` that names this signal's class (R15)."""
        for block in reversed(self.blocks):
            if block.handles(signal):
                return block  # type: ignore[no-any-return]
        return None

    # -- being handled ------------------------------------------------------------------------------------------------

    def in_force(self) -> Delivery | None:
        """The strongest signal that the task is handling (R5)."""
        found: Delivery | None = None
        for one in self.delivered:
            if (found is None or one.level >= found.level) and one.is_busy:
                found = one
        return found

    def absorbing(self, level: int) -> Delivery | None:
        """The signal that is being handled, if that is as strong: one of this level would change nothing."""
        force = self.in_force()
        return force if force is not None and level <= force.level else None

    # -- arrivals -------------------------------------------------------------------------------------------------

    def add_waiter(self, entry: Waiter) -> None:
        """Set its future to the next signal of its class that is pending."""
        self.waiters = (*self.waiters, entry)

    def remove_waiter(self, entry: Waiter) -> None:
        """Wait no more."""
        self.waiters = tuple(other for other in self.waiters if other is not entry)

    def judge(self, delivery: Delivery, *, running: bool = False) -> bool:
        """Settle an arrival that no callback took: `True` if it is to fly, else it is pending or has its fate.

        What comes while the task runs is pending: it is judged when the task waits, under the blocks open then.
        """
        if self.doom is not None and self.doom is not delivery:
            delivery.fate, delivery.below = _SUPERSEDED, [self.doom]
        elif running or (
            (self.blocks or self.covers or delivery.level < Interrupt.level) and not self.admits(delivery)
        ):
            self._hold(delivery)
        elif (force := self.absorbing(delivery.level)) is not None:
            delivery.fate, delivery.below = _ABSORBED, [force]
        elif self.flying is not None and delivery.level <= self.flying.level and not is_over(self.flying):
            delivery.fate, delivery.below = _SUPERSEDED, [self.flying]
        else:
            return True
        return False

    def _hold(self, delivery: Delivery) -> None:
        for other in self.pending:
            if type(other.given) is type(delivery.given):  # as in Unix, a pending signal is not queued twice
                delivery.fate, delivery.below = _ABSORBED, [other]
                return
        self.pending = (*self.pending, delivery)
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
        for mask in self.covers:
            if mask.masks >= level if level else mask.plain:
                mask.is_waited_for_by(self)

    def requested(self, cls: type[Signal]) -> Signal | None:
        """The strongest pending signal of that class, the first of equals (R12)."""
        found = [delivery.signal for delivery in self.pending if isinstance(delivery.given, cls)]
        return max(found, key=lambda signal: signal.level, default=None)

    @property
    def is_due(self) -> bool:
        """Whether something is pending that may be thrown."""
        if self.plain_held and not self.masks_plain:
            return True
        return any(self.admits(delivery) for delivery in self.pending)

    def pick(self) -> Delivery | None:
        """Take what the threshold now admits out of `pending`: the strongest, if it is to fly; the others end here."""
        ready = [delivery for delivery in self.pending if self.admits(delivery)]
        if not ready:
            return None
        self.pending = tuple(delivery for delivery in self.pending if delivery not in ready)
        self.again = None if self.again in ready else self.again
        best = max(ready, key=lambda delivery: delivery.level)
        for delivery in ready:
            if delivery is not best:
                delivery.fate = _SUPERSEDED
        return best if self.judge(best) else None

    def deliver_what_is_due(self) -> Delivery | None:
        """The task ended by a cancellation of its own making with a signal pending: for that, as far as is known."""
        best = strongest(delivery for delivery in self.pending if self.admits(delivery))
        if best is not None:
            self.pending = tuple(delivery for delivery in self.pending if delivery is not best)
            best.fate = _DELIVERED
        return best

    def take(self, cls: type[Signal]) -> Delivery | None:
        """Take the strongest pending signal of that class that may be thrown; it is handled, and so are its equals."""
        may_be_had = (one for one in self.pending if one.level < KILL_LEVEL and self.admits(one))
        found = [one for one in may_be_had if isinstance(one.given, cls)]
        self.pending = tuple(one for one in self.pending if one not in found)
        for one in found:
            one.fate = Fate.HANDLED
        self.again = None if self.again in found else self.again
        return strongest(found)

    # -- flight ---------------------------------------------------------------------------------------------------

    def launch(self, delivery: Delivery) -> int:
        """The signal is on its way; one that was is superseded, or was taken by what the task awaits (R6, R8).

        Gives the number of requests to take back, for the latter.
        """
        taken = 0
        if self.flying is not None:
            if is_over(self.flying):
                taken = self.consume()
            else:
                self.flying.fate, self.flying.below = _SUPERSEDED, ()
        delivery.fate = _IN_FLIGHT
        self.flying = delivery
        self.weight += 1
        return taken

    def land(self) -> Delivery:
        """The signal in flight is being thrown."""
        delivery = self.flying
        assert delivery is not None
        delivery.fate, delivery.requests = _DELIVERED, self.weight
        delivery.below, delivery.taken_back = (), self.weight == 0
        self.owed += self.weight
        self.flying, self.weight = None, 0
        self.landed += 1
        delivery.number = self.landed
        if self.delivered:
            alive = tuple(one for one in self.delivered if one.lives)
            if len(alive) >= HISTORY:  # some code keeps them all
                alive = tuple(one for one in alive if one.is_busy)
            self.delivered = (*alive, delivery)
        else:
            self.delivered = (delivery,)
        return delivery

    def hold_what_was_let_in(self) -> None:
        """What only the block that has ended admitted, and was not thrown in it, is pending again (R13, R16)."""
        delivery = self.flying
        if delivery is not None and not self.admits(delivery):
            self.flying, self.weight, delivery.fate = None, 0, _PENDING
            self._hold(delivery)

    def consume(self) -> int:
        """The task that was awaited took the signal (R8). Gives the number of requests to take back."""
        delivery, weight = self.flying, self.weight
        assert delivery is not None
        self.flying, self.weight = None, 0
        delivery.fate, delivery.below = _CONSUMED, ()
        return weight

    def revived(self, delivery: Delivery) -> Signal:
        """What was thrown into a scope, and taken there, to be raised once more: it can be handled again (R5)."""
        if delivery not in self.delivered:
            self.delivered = (*self.delivered, delivery)
        return delivery.fresh()

    def landed_since(self, landed: int) -> list[Delivery]:
        """What was thrown into the task after that many, in order."""
        if self.landed == landed:
            return []
        return [one for one in self.history if one.fate is _DELIVERED and one.number > landed]

    def throw_again(self, delivery: Delivery) -> None:
        """It was thrown into a scope, which something else has left: it is pending once more."""
        self.owed -= 0 if delivery.taken_back else delivery.requests
        delivery.fate, delivery.taken_back, delivery.thrown = _PENDING, False, None
        self.delivered = tuple(one for one in self.delivered if one is not delivery)
        equals = [one for one in self.pending if type(one.given) is type(delivery.given)]
        for one in equals:
            one.fate = _ABSORBED
        self.pending = (*(one for one in self.pending if one not in equals), delivery)
        self.again = delivery

    def forget_again(self) -> None:
        """Its request was taken back before it could be thrown once more."""
        if (delivery := self.again) is not None:
            self.pending = tuple(one for one in self.pending if one is not delivery)
            delivery.fate, delivery.taken_back, self.again = _DELIVERED, True, None

    def land_plain(self, error: CancelledError) -> None:
        """A plain cancellation is being thrown. The signal under which the parent asked for it is its cause (R9)."""
        self.plain_thrown, self.plain_under = weakref.ref(error), self.in_force()
        if self.cause_is_due and not self.plain_held:
            self.cause_is_due, self.caused = False, (self.plain_thrown, self.cause)
            if error.__cause__ is None:
                error.__cause__ = self.cause

    def await_ended(self, *, in_cancellation: bool) -> None:
        """If in none, a plain cancellation that was passed on to what the task awaited was taken there (R9)."""
        if self.plain_below:
            self.plain_below = False
            if not in_cancellation:
                self.drop_cause()

    def drop_cause(self) -> None:
        """The plain cancellation that it is of will not be thrown, unless a mask holds it."""
        self.cause_is_due = self.cause_is_due and self.plain_held > 0

    def cause_of(self, error: CancelledError) -> Signal | None:
        """The signal under which the parent asked for this cancellation."""
        return self.caused[1] if self.caused is not None and self.caused[0]() is error else None

    def take_back(self, owed: int) -> int:
        """No more than that many requests are owed: what was thrown in last is taken back. Gives how many requests."""
        back = max(0, self.owed - owed)
        self.owed -= back
        self.history.take_back(back)
        return back

    def settle(self, count: int) -> None:
        """After an `uncancel()`: what `count` requests no longer cover has been taken back, the last one first.

        Other requests go first: a timeout inside a cleanup takes back its own, not the signal's. Then what is in
        flight, which is thrown all the same, as in asyncio.
        """
        if self.flying is not None:
            self.weight = min(self.weight, max(0, count - self.owed))
        self.take_back(count)
