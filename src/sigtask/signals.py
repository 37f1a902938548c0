"""The signals: exceptions with a strength and a reason (R1, R2).

Every signal is an `asyncio.CancelledError`, so TaskGroup, timeout, gather, wait and shield treat it as they treat a
cancellation. A signal that arrives at a task is always a fresh copy of the one the caller made; the caller's own is
never raised, so one signal can be sent to a thousand tasks.
"""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from importlib import import_module
from types import MemberDescriptorType
from typing import Any, ClassVar, Protocol, Self

KILL_LEVEL = 40
"""From here up nothing is masked, handled or caught. Only `Kill` and its subclasses may stand here."""


class Addressee(Protocol):
    """A task and its name. Weak: a task remembers its signals, so one that held its task would be a reference cycle."""

    @property
    def ref(self) -> weakref.ref[Any]:
        """The task."""
        ...

    @property
    def name(self) -> str:
        """Its name, also when it is gone."""
        ...


_new: Any = CancelledError.__new__
own_slots: dict[type[Signal], tuple[str, ...]] = {}
"""The slots that users' classes have added: a copy has them, too. Few programs have any, and the others pay nothing."""


class Signal(CancelledError):
    """The base class of all signals: a request to stop, with a strength (`level`) and a `reason`.

    A signal is an `asyncio.CancelledError`, so `TaskGroup`, `timeout()`, `gather()` and `finally` treat it as a
    cancellation. You do not send `Signal` itself: send a `Drain`, `Interrupt`, `Terminate` or `Kill`, or a class of
    your own that is derived from one of these.

    Each task gets a fresh copy, so one signal can be sent to a thousand tasks. Signals compare by identity and can be
    pickled; `target` is pickled as the task's name. A signal that your code raises by hand ends the task as any
    `CancelledError` does, and is not in its `history`.

    A subclass may set `level`, an int from 1 to 39, in its class body. It cannot set `reason` or `sender`: each signal
    has its own.

    Args:
        reason: Any object. An exception is also the signal's `__cause__`, so a traceback shows both.
        sender: Who asks. Default: the name of the task that sends it, or `None` outside any task.

    Raises:
        TypeError: When a subclass is defined with another `level`, or with a `reason` or `sender` of its own.

    Example::

        class DiskFull(Terminate): ...

        class Preempted(Interrupt):
            level = 25

        print(DiskFull("/var is full"))  # /var is full (level 30)

    .. versionadded:: 0.1.0
    """

    __slots__ = ("_ended_another", "_origin", "_target", "reason", "sender", "sent_at")

    level: ClassVar[int] = 0
    """How strong it is: `Drain` 10, `Interrupt` 20, `Terminate` 30, `Kill` 40."""

    reason: object
    """Why: any object."""
    sender: object
    """Who asked: by default, the name of the task that sent it."""
    _origin: Signal | None
    _target: Addressee | str | None  # the name alone once it has travelled
    _ended_another: bool  # set on what an awaiter is shown of the end of another task
    sent_at: float | None
    """When it was sent, by `time.monotonic()`; `None` if it was never sent."""

    def __init__(self, reason: object = None, *, sender: object = None) -> None:
        self.args = () if reason is None else (reason,)
        self.reason = reason
        self.sender = sender
        self.sent_at = self._origin = self._target = None
        if isinstance(reason, BaseException):
            self.__cause__ = reason

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not Signal.__init__:  # it may not call ours. To have this on every class would be slow
            cls.__getattr__ = _none_for_unset  # type: ignore[attr-defined]
        _hide_nothing(cls)
        if added := _slots_of(cls):
            own_slots[cls] = added
        kills = any(base.__dict__.get("level", 0) == KILL_LEVEL for base in cls.__mro__[1:])
        wanted = f"{KILL_LEVEL} or more, being a Kill" if kills else f"an int from 1 to {KILL_LEVEL - 1}"
        right = type(cls.level) is int and (cls.level >= KILL_LEVEL if kills else 1 <= cls.level < KILL_LEVEL)
        if not right and not (cls.__name__ == "Kill" and cls.__module__ == __name__):
            raise TypeError(
                f"{cls.__qualname__}.level is {cls.level!r:.200}; it must be {wanted}. "
                f"Derive from Drain, Interrupt, Terminate or Kill and leave `level` out to take theirs"
            )

    @property
    def origin(self) -> Signal:
        """The signal that was passed to `send_signal`, of which this is a copy; itself if it was never sent."""
        return self if self._origin is None else self._origin

    @property
    def target(self) -> object:
        """The task that this copy was sent to; its name once the task is gone; `None` if it was never sent."""
        if self._target is None or isinstance(self._target, str):
            return self._target
        task = self._target.ref()
        return self._target.name if task is None else task

    def copy(self) -> Self:
        """Return a signal of the same class with the same reason, sender and notes, and without a traceback."""
        twin = self.addressed(self._target, self.sender, self.sent_at)
        twin._origin = self._origin
        return twin

    def addressed(self, target: Addressee | str | None, sender: object, sent_at: float | None) -> Self:
        """The copy for `target`, which knows its origin, and when and by whom it was sent.

        :meta private:
        """
        twin: Self = _new(self.__class__)
        twin.args = self.args  # the same tuple, until somebody changes it
        if self.__dict__:  # a user's class may keep more, and notes are there
            twin.__dict__.update(self.__dict__)
        if own_slots:
            for name, value in _in_own_slots(self).items():
                setattr(twin, name, value)
        twin.reason = self.reason
        twin.sender = sender if self.sender is None else self.sender
        twin.sent_at = sent_at
        twin._origin = self if self._origin is None else self._origin
        twin._target = target
        if (cause := self.__cause__) is not None:
            twin.__cause__ = cause
        return twin

    def __str__(self) -> str:
        reason = "no reason given" if self.reason is None else _brief(self.reason)
        sender = "" if self.sender is None else f", from {_brief(self.sender)}"
        return f"{reason} (level {self.level}{sender})"

    def __repr__(self) -> str:
        sender = "" if self.sender is None else f", sender={self.sender!r}"
        return f"{type(self).__name__}({self.reason!r:.200}, level={self.level}{sender})"

    def __reduce__(self) -> tuple[object, ...]:
        # A task cannot be pickled: its name travels in its place.
        target = getattr(self._target, "name", self._target)
        slots = {"reason": self.reason, "sender": self.sender, "sent_at": self.sent_at, "_target": target}
        state = {**slots, **_in_own_slots(self), **self.__dict__}
        if self.__cause__ is not None:
            state["__cause__"] = self.__cause__
        return _revive, (type(self), self.args, state)


def _revive(cls: type[Signal], args: tuple[object, ...], state: dict[str, Any]) -> Signal:
    """Undo `Signal.__reduce__` without `__init__`: a user's class may take other arguments."""
    signal: Signal = _new(cls, *args)
    signal._origin = None
    for name, value in state.items():
        setattr(signal, name, value)
    return signal


def _hide_nothing(cls: type[Signal]) -> None:
    """Raises: `TypeError` when the class has an attribute in whose place each signal has one of its own."""
    for base in cls.__mro__[: cls.__mro__.index(Signal)]:
        for name in Signal.__slots__:
            if name in base.__dict__:
                raise TypeError(
                    f"{base.__qualname__}.{name} hides the {name!r} that each signal has of its own; "
                    f"leave it out, and give it to super().__init__() in the class's own __init__"
                )


def _slots_of(cls: type[Signal]) -> tuple[str, ...]:
    """The slots that a user's class has added."""
    added = cls.__mro__[: cls.__mro__.index(Signal)]
    return tuple(name for base in added for name, what in vars(base).items() if type(what) is MemberDescriptorType)


def _in_own_slots(signal: Signal) -> dict[str, Any]:
    return {name: getattr(signal, name) for name in own_slots.get(type(signal), ()) if hasattr(signal, name)}


def _none_for_unset(self: Signal, name: str) -> None:
    """What a signal lacks, that was made without `Signal.__init__`."""
    if name not in Signal.__slots__:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _brief(thing: object) -> str:
    return clipped(f"{type(thing).__name__}: {thing}" if isinstance(thing, BaseException) else str(thing))


def clipped(text: str, longest: int = 200) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


class Drain(Signal):
    """Finish what you have, take nothing new. Level 10.

    A task is not interrupted by a Drain unless it asks for it. Until then the Drain is pending: use `requested`,
    `until`, `catch`, `accept` or `on_signal`.

    Example::

        async def worker():
            while (drain := requested(Drain)) is None:
                await asyncio.sleep(0.01)
            print("no more:", drain.reason)

        task = create_task(worker())
        await asyncio.sleep(0)
        task.drain("closing time")
        await task  # no more: closing time

    .. versionadded:: 0.1.0
    """

    level = 10


class Interrupt(Signal):
    """Stop what you are waiting for; you may go on with something else. Level 20.

    It is thrown at the await the task is in, unless a `mask` holds it.

    Example::

        async def shell():
            while True:
                try:
                    await asyncio.sleep(3600)
                except Interrupt:
                    print("interrupted; what next?")

        task = create_task(shell())
        await asyncio.sleep(0)
        task.interrupt()
        await asyncio.sleep(0)  # interrupted; what next?
        task.kill()

    .. versionadded:: 0.1.0
    """

    level = 20


class Terminate(Signal):
    """Clean up and end. Level 30.

    It is thrown at the await the task is in, unless a `mask` holds it.

    Example::

        async def worker():
            try:
                await asyncio.sleep(3600)
            except Terminate as signal:
                print("cleaning up:", signal.reason)
                raise

        task = create_task(worker())
        await asyncio.sleep(0)
        await stop(task, reason="disk full")  # cleaning up: disk full

    .. versionadded:: 0.1.0
    """

    level = 30


class Kill(Signal):
    """You end now. Level 40.

    No block holds, catches or handles a Kill. It ends the task within two turns of the loop, and all tasks that it has
    spawned; see `Task.kill`.

    Example::

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(3600)
                except BaseException:
                    pass

        task = create_task(stubborn())
        await asyncio.sleep(0)
        task.kill("out of patience")
        await asyncio.wait([task])
        print(task.ended_by.reason)  # out of patience

    .. versionadded:: 0.1.0
    """

    level = KILL_LEVEL


def as_signal(what: object, call: str) -> Signal:
    """The signal that `what` stands for: itself, or a fresh instance of the class.

    Raises: `TypeError` that names `call` when `what` is neither, or is the bare `Signal`, which has no strength, or
    has another level than its class.
    """
    if isinstance(what, type) and issubclass(what, Signal) and what is not Signal:
        what = what()
    if isinstance(what, Signal) and type(what) is not Signal:
        if "level" in what.__dict__:  # it could be that of a Kill, or another than blocks go by
            raise TypeError(
                f"{call} got {what!r} with a level of its own; the level is the class's: set it in the class body"
            )
        return what
    raise TypeError(
        f"{call} takes a signal (Drain, Interrupt, Terminate, Kill, a subclass or an instance of one), "
        f"got {what!r:.200}"
    )


def level_of(what: object, call: str, *, kill: bool = False) -> int:
    """The level of a signal class, for a block.

    Raises: `TypeError` when `what` is no signal class, `ValueError` when it is `Kill` and the block cannot take it.
    """
    if not (isinstance(what, type) and issubclass(what, Signal)):
        raise TypeError(f"{call} takes a signal class such as Drain or Terminate, got {what!r:.200}")
    if what.level >= KILL_LEVEL and not kill:
        raise ValueError(f"{call}: a Kill cannot be held, handled or caught; the strongest that can is Terminate")
    return what.level


_BY_NAME: dict[str, type[Signal]] = {cls.__name__.lower(): cls for cls in (Drain, Interrupt, Terminate, Kill)}


def class_named(name: str) -> type[Signal]:
    """The class for `drain`, `interrupt`, `terminate`, `kill` (in any case), or `package.module:Class`.

    Raises: `ValueError` that says what is wrong with the name.
    """
    known = _BY_NAME.get(name.lower())
    if known is not None:
        return known
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(
            f"there is no signal {name!r:.200}; take {', '.join(_BY_NAME)}, or package.module:Class for your own"
        )
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module may fail in its own way
        raise ValueError(str(error)) from None
    if not (isinstance(found, type) and issubclass(found, Signal) and found is not Signal):
        raise ValueError(f"{name:.200} is {found!r:.200}, not a signal class")
    return found


def name_of_class(cls: type[Signal]) -> str:
    """The name by which `class_named` finds it."""
    name = cls.__name__.lower()
    return name if _BY_NAME.get(name) is cls else f"{cls.__module__}:{cls.__qualname__}"


for _cls in (Signal, Drain, Interrupt, Terminate, Kill):
    _cls.__module__ = "sigtask"  # so a traceback says sigtask.Terminate
