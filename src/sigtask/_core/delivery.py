"""One signal that was sent to one task, and what became of it (R21). Only `inbox` writes it."""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from time import monotonic
from typing import Any, NamedTuple, Protocol

from .. import signals
from ..signals import KILL_LEVEL, Signal, own_slots
from .native import in_c

HISTORY = 20
"""How many signals a task remembers. Each keeps its reason alive."""


class Fate(Enum):
    """What became of a signal that was sent to a task.

    Example::

        task = create_task(asyncio.sleep(0.01))
        await asyncio.sleep(0)
        task.drain("closing")
        print(task.history[0].fate is Fate.PENDING)  # True

    .. versionadded:: 0.1.0
    """

    PENDING = "pending"
    """It has arrived and was not thrown: below the threshold, masked, or the task runs."""
    IN_FLIGHT = "in flight"
    """asyncio's `cancel` has been called, and the task has not run since."""
    DELIVERED = "delivered"
    """It was thrown into the task."""
    SUPERSEDED = "superseded"
    """No effect: a stronger one was in flight, or the task was being killed."""
    ABSORBED = "absorbed"
    """No effect: the task was handling one as strong, or one of its class was pending."""
    HANDLED = "handled"
    """An `on_signal` callback took it, or `until` before it began to wait."""
    CONSUMED = "consumed"
    """The awaited task took it and returned, so it was not thrown into this one."""
    REFUSED = "refused"
    """The task was done."""


watchers: list[Callable[[Delivery], object]] = []
"""Called for every signal that is sent, before its fate is known: telemetry. They must not raise."""

_PENDING, _IN_FLIGHT, _DELIVERED = Fate.PENDING, Fate.IN_FLIGHT, Fate.DELIVERED  # member look-up is slow on 3.11
_TAKEN = (Fate.DELIVERED, Fate.HANDLED)


def plain_error(msg: object) -> CancelledError:
    """The exception that asyncio throws for `cancel(msg)`."""
    return CancelledError() if msg is None else CancelledError(msg)


class Addressee(NamedTuple):
    """A task and its name. C has another one, which asks for the name as late as it can."""

    ref: weakref.ref[Any]
    name: str


class PassedOn(Protocol):
    """What became of a signal in what its task awaits (R8)."""

    @property
    def below(self) -> Sequence[PassedOn]:
        """What it was passed on to from there."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether it is still on its way there, or being handled; not looking further down."""
        ...


@in_c("Delivery")
class Delivery:
    """One signal that was sent to one task, and what became of it: an entry of `Task.history`.

    `signal` is the task's copy. `fate` says what became of it. `caught_at` is where (`"file:line"`) the task caught it
    and went on, else `None`; `taken_back` tells whether its request was then taken back, by `catch`, `until` or
    `uncancel()`. `refused` is how many more awaits a Kill had to answer.

    Example::

        task = create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        task.terminate("disk full")
        await asyncio.wait([task])
        print(task.history[0].signal.reason, task.history[0].fate)  # disk full Fate.DELIVERED

    .. versionadded:: 0.1.0
    """

    __slots__ = (
        "_copy",
        "below",
        "caught_at",
        "fate",
        "given",
        "host",
        "inside",
        "level",
        "number",
        "refused",
        "requests",
        "sender",
        "sent_at",
        "taken_back",
        "thrown",
        "to",
    )

    def __init__(
        self, given: Signal, to: signals.Addressee | str | None, sender: object, host: weakref.ref[Any] | None
    ) -> None:
        self.given = given
        self.level = given.level
        self.to = to
        self.host = host  # the owner of the inbox that it is in
        self.sender = sender
        self.sent_at = monotonic()
        self.fate = _PENDING
        self.inside: tuple[object, ...] = ()  # the masks around its sender, which do not hold it (R14)
        self.number = 0  # its number among those that were thrown into the task
        self.requests = 0  # how many of asyncio's cancel requests it stands for, once delivered
        self.thrown: weakref.ref[Signal] | None = None  # what was thrown; `None` if it was swallowed at once
        self.below: Any = ()  # what it was passed on to: a list of `PassedOn`
        self.caught_at: str | None = None
        self.taken_back = False
        self.refused = 0
        self._copy: Signal | None = None

    @property
    def signal(self) -> Signal:
        """The task's copy of the signal: to look at, not to raise."""
        if self._copy is None:  # made when it is asked for, which is rare
            self._copy = self.given.addressed(self.to, self.sender, self.sent_at)
        return self._copy

    def fresh(self) -> Signal:
        """One more copy, to be thrown: the thrown one comes to hold frames.

        :meta private:
        """
        signal = self.given.addressed(self.to, self.sender, self.sent_at)
        self.thrown = weakref.ref(signal)
        return signal

    @property
    def was_seen(self) -> bool:
        """Whether somebody has looked at it: the task asked for it, or a callback got it.

        :meta private:
        """
        return self._copy is not None

    @property
    def lives(self) -> bool:
        """Whether the signal that was thrown still exists. Some code may keep it without handling it.

        :meta private:
        """
        return self.thrown is not None and self.thrown() is not None

    @property
    def weight(self) -> int:
        """How much would be lost with it: 0 for nothing, 1 for an entry in the history, 2 for one still at work.

        :meta private:
        """
        if self.fate is _DELIVERED:
            return 2 if self.lives else 1
        return 2 if self.fate is _PENDING or self.fate is _IN_FLIGHT else 0

    @property
    def is_busy(self) -> bool:
        """Whether it is still on its way, or being handled (R5), not looking at what it was passed on to (R8).

        :meta private:
        """
        if self.fate is not _DELIVERED:
            return self.fate is _PENDING or self.fate is _IN_FLIGHT
        signal = None if self.thrown is None else self.thrown()
        host = None if self.host is None else self.host()
        try:
            return signal is not None and host is not None and bool(host._is_handling(signal))
        finally:
            del signal, host

    def __repr__(self) -> str:
        return f"<{self.signal!r} {self.fate.value}>"


class History(list[Delivery]):
    """The signals that a task remembers, in order (R21)."""

    __slots__ = ()

    def add(self, delivery: Delivery) -> None:
        """Remember it, for now."""
        self.append(delivery)
        for watch in watchers:
            watch(delivery)
        if len(self) >= 2 * HISTORY:
            self.forget()

    def forget(self) -> None:
        """Keep `HISTORY`: drop the oldest that changed nothing, then the weakest, last those at work."""
        if len(self) > HISTORY:
            order = sorted(range(len(self) - 1), key=lambda at: (self[at].weight, self[at].level, at))
            self[:] = [self[at] for at in sorted(order[1 - HISTORY :])] + self[-1:]

    def take_back(self, requests: int) -> None:
        """So many cancel requests that signals stand for were taken back: those of the last signals first."""
        for one in reversed(self):
            if requests <= 0:
                return
            if one.fate is _DELIVERED and not one.taken_back:
                one.taken_back = True
                requests -= one.requests


def strongest(deliveries: Iterable[Delivery]) -> Delivery | None:
    """The strongest of them, the first of equals; `None` of none."""
    return max(deliveries, key=lambda delivery: delivery.level, default=None)


def is_as_it_came(signal: Signal, delivery: Delivery) -> bool:
    """Whether the task has changed nothing in the copy of its signal that it got."""
    given = delivery.given
    return (
        not signal.__dict__
        and not (own_slots and type(signal) in own_slots)
        and signal.__cause__ is given.__cause__
        and signal.args is given.args
        and signal.reason is given.reason
        and signal.sender is (delivery.sender if given.sender is None else given.sender)
    )


def is_over(delivery: Delivery) -> bool:
    """Whether a signal in flight is no longer at work in what the task awaits (R8)."""
    return bool(delivery.below) and not any(one.is_busy for one in _passed_on_to(delivery))


def went_on(delivery: Delivery) -> bool:
    """Whether a signal in flight was taken by all that the task awaits, and has ended none of them (R8)."""
    if delivery.level >= KILL_LEVEL or not is_over(delivery):
        return False
    hosts = (one.host() for one in _passed_on_to(delivery) if isinstance(one, Delivery) and one.host is not None)
    return not any(host is not None and getattr(host, "cancelled", host.done)() for host in hosts)


def was_taken_before(delivery: Delivery, error: CancelledError) -> bool:
    """Whether all that the task awaits took the signal and went on, and one has ended since, by `error` (R8)."""
    origin, ended = delivery.given.origin, False
    if isinstance(error, Signal) and error.origin is origin:
        return False
    if delivery.level >= KILL_LEVEL or not is_over(delivery):
        return False
    for one in _passed_on_to(delivery):
        if not isinstance(one, Delivery) or one.given.origin is not origin or one.fate not in _TAKEN:
            return False
        host: Any = None if one.host is None else one.host()
        if getattr(host, "cancelled", bool)():  # a task, not a function in a thread
            ended = True
            if (end := host.ended_by) is not None and end.origin is origin:
                return False
    return ended


def _passed_on_to(delivery: PassedOn) -> Iterator[PassedOn]:
    todo, seen = [delivery], set[int]()
    while todo:
        one = todo.pop()
        if not one.below:
            yield one
        elif id(one) not in seen:  # tasks may await one another in a ring
            seen.add(id(one))
            todo.extend(one.below)
