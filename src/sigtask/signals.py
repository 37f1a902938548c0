"""The signals: exceptions with a strength and a reason (R1, R2).

Every signal is an `asyncio.CancelledError`, so TaskGroup, timeout, gather, wait and shield treat it as they treat a
cancellation. A signal that arrives at a task is always a fresh copy of the one the caller made; the caller's own is
never raised, so one signal can be sent to a thousand tasks.
"""

from __future__ import annotations

import time
import weakref
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, ClassVar, Self

KILL_LEVEL = 40
"""From here up nothing is held, handled or caught. Only `Kill` and its subclasses may stand here."""


def _nobody_cares() -> None: ...


signal_made: Callable[[], None] = _nobody_cares
"""Called when a signal is made: `_task` wants to know, for it may be raised by hand where it was made."""


class Signal(CancelledError):
    """A request to stop, with a `level` that says how strong it is and a `reason` that says why.

    `reason` is any object. An exception as reason is also the signal's `__cause__`, so a traceback shows both.
    `sender` says who asked; left out, it is the name of the task that sent the signal, or `None` outside any task.

    Derive your own from one of `Drain`, `Interrupt`, `Terminate`, `Kill`::

        class DiskFull(Terminate): ...
        class Preempted(Interrupt):
            level = 25

    Raises: `TypeError` when such a class is made with a level that is not an int from 1 to 39; from 40 up is `Kill`'s.
    """

    level: ClassVar[int] = 0

    reason: object
    sender: object
    origin: Signal
    """The signal the caller made, of which this is a copy; itself for one that was never sent."""
    sent_at: float | None
    """When this copy was sent, on the clock of `time.monotonic()`; `None` for one that was never sent."""

    def __init__(self, reason: object = None, *, sender: object = None) -> None:
        super().__init__(*(() if reason is None else (reason,)))
        self.reason = reason
        self.sender = sender
        if isinstance(reason, BaseException):
            self.__cause__ = reason
        signal_made()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        kills = any(base.__dict__.get("level", 0) == KILL_LEVEL for base in cls.__mro__[1:])
        wanted = f"{KILL_LEVEL} or more, being a Kill" if kills else f"an int from 1 to {KILL_LEVEL - 1}"
        right = type(cls.level) is int and (cls.level >= KILL_LEVEL if kills else 1 <= cls.level < KILL_LEVEL)
        if not right and not (cls.__name__ == "Kill" and cls.__module__ == __name__):
            raise TypeError(
                f"{cls.__qualname__}.level is {cls.level!r}; it must be {wanted}. "
                f"Derive from Drain, Interrupt, Terminate or Kill and leave `level` out to take theirs"
            )

    def __getattr__(self, name: str) -> Any:
        # Only reached for what an ordinary instance lacks: a signal that was raised by hand or never sent.
        if name == "origin":
            return self
        if name in ("sent_at", "_target", "reason", "sender"):
            return None
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def target(self) -> object:
        """The task this copy is for (R1); its name once the task is gone; `None` for one that was never sent."""
        target: Any = self._target
        if isinstance(target, weakref.ref):
            task: object = target()
            return self._target_name if task is None else task
        return target

    def copy(self) -> Self:
        """A signal of the same class, reason, sender and notes, with no traceback of its own."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        twin.__cause__ = self.__cause__
        return twin

    def addressed(self, target: object, name: str, sender: object) -> Self:
        """The copy that goes to `target`: stamped with the time, its origin, and `sender` if it names none."""
        twin = self.copy()
        twin.origin = self.origin
        twin.stamp(target, name, sender)
        return twin

    def stamp(self, target: object, name: str, sender: object) -> None:
        """Note whom it is for, when, and by whom unless it says so already."""
        self.sent_at = time.monotonic()
        # Weak: a task remembers its signals, so a signal that held its task would be a reference cycle.
        self._target = weakref.ref(target)
        self._target_name = name
        if self.sender is None:
            self.sender = sender

    def __str__(self) -> str:
        reason = "no reason given" if self.reason is None else _brief(self.reason)
        sender = "" if self.sender is None else f", from {_brief(self.sender)}"
        return f"{reason} (level {self.level}{sender})"

    def __repr__(self) -> str:
        sender = "" if self.sender is None else f", sender={self.sender!r}"
        return f"{type(self).__name__}({self.reason!r}, level={self.level}{sender})"

    def __reduce__(self) -> tuple[object, ...]:
        # A task cannot be pickled: its name travels in its place.
        state = {k: v for k, v in self.__dict__.items() if k not in ("origin", "_target", "_target_name")}
        target: Any = self._target
        if target is not None:
            state["_target"] = self._target_name if isinstance(target, weakref.ref) else target
        if self.__cause__ is not None:
            state["__cause__"] = self.__cause__
        return _revive, (type(self), self.args, state)


def _revive(cls: type[Signal], args: tuple[object, ...], state: dict[str, Any]) -> Signal:
    """Undo `Signal.__reduce__` without `__init__`: a user's class may take other arguments."""
    signal = cls.__new__(cls, *args)
    signal.__cause__ = state.pop("__cause__", None)
    signal.__dict__.update(state)
    return signal


def _brief(thing: object) -> str:
    text = f"{type(thing).__name__}: {thing}" if isinstance(thing, BaseException) else str(thing)
    return text if len(text) <= 200 else text[:199] + "\N{HORIZONTAL ELLIPSIS}"


class Drain(Signal):
    """Finish what you have, take nothing new. Held unless the task says `accept(Drain)`."""

    level = 10


class Interrupt(Signal):
    """Stop what you are waiting for; you may go on with something else."""

    level = 20


class Terminate(Signal):
    """Clean up and end."""

    level = 30


class Kill(Signal):
    """You end now: no handler, no mask, no further await."""

    level = KILL_LEVEL


def as_signal(what: object, call: str) -> Signal:
    """The signal that `what` stands for: itself, or a fresh instance of the class.

    Raises: `TypeError` that names `call` when `what` is neither, or is the bare `Signal`, which has no strength.
    """
    if isinstance(what, type) and issubclass(what, Signal) and what is not Signal:
        return what()
    if isinstance(what, Signal) and type(what) is not Signal:
        return what
    raise TypeError(
        f"{call} takes a signal (Drain, Interrupt, Terminate, Kill, a subclass or an instance of one), got {what!r}"
    )


def level_of(what: object, call: str, *, kill: bool = False) -> int:
    """The level of a signal class, for a block.

    Raises: `TypeError` when `what` is no signal class, `ValueError` when it is `Kill` and the block cannot take it.
    """
    if not (isinstance(what, type) and issubclass(what, Signal)):
        raise TypeError(f"{call} takes a signal class such as Drain or Terminate, got {what!r}")
    if what.level >= KILL_LEVEL and not kill:
        raise ValueError(f"{call}: a Kill cannot be held, handled or caught; the strongest that can is Terminate")
    return what.level


for _cls in (Signal, Drain, Interrupt, Terminate, Kill):
    _cls.__module__ = "sigtask"  # so a traceback says sigtask.Terminate
