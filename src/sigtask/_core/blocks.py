"""Blocks of code that say what a task does with its signals: `accept`, `mask`, `on_signal`, `catch` (R11, R13 to R17).

    with catch(Drain) as drain:             # here a Drain may interrupt the await, and ends the block
        order = await queue.get()
    if drain: ...
    with mask(Terminate):                   # here nothing but a Kill comes in
        await book(order)

Entering and leaving one throws nothing: what is pending, and may be thrown now, is thrown at the await at which the
task next waits, under the blocks that are open then.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import weakref
from asyncio import CancelledError, TimerHandle
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Generic, NoReturn, ParamSpec, Self, TypeVar

from ..signals import KILL_LEVEL, Signal, Terminate, level_of
from . import stock
from .base_block import CLOSED, OPEN, UNUSED, BaseBlock, PassingBlock, slots
from .host import running
from .inbox import Inbox
from .native import speed
from .stock import current
from .task import Task

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound=Signal)
LONGEST = sys.float_info.max
"""Seconds that a loop's timer can take: an int may be larger than any float."""


class accept(PassingBlock):
    """`with accept(Drain):` let signals of that level and above interrupt the awaits in the block.

    In a new task, a signal weaker than `Interrupt` is pending and interrupts nothing. In the block it does, and so ends
    the task. To go on after the signal, use `catch` instead. A signal that is already pending is thrown at the first
    await that has to wait. A mask around or inside the block wins. It also works as a decorator of an async function.

    Args:
        cls: The weakest signal class to let in.

    Raises:
        TypeError: For something that is not a signal class.
        ValueError: For `Kill`.
        RuntimeError: When it is entered outside a task, entered twice, or left in another task or out of order.

    Example::

        async def idle():
            with accept(Drain):
                await asyncio.sleep(3600)

        task = create_task(idle())
        await asyncio.sleep(0)
        task.drain("closing")
        await asyncio.wait([task])
        print(task.ended_by.reason)  # closing

    .. versionadded:: 0.1.0
    """

    __slots__ = slots("accepts", "cls")

    def __init__(self, cls: type[Signal]) -> None:
        super().__init__()
        self.accepts = level_of(cls, "accept()")
        self.cls = cls

    def __enter__(self) -> None:
        self._enter()

    def __exit__(self, et: object, *exc: object) -> None:
        self._leave(et is not None)

    def _fresh(self) -> accept:
        return accept(self.cls)

    def __repr__(self) -> str:
        return f"accept({self.cls.__name__})"


class mask(PassingBlock):
    """`with mask(Terminate):` hold signals up to that level until the block ends. A Kill always passes.

    What it held is thrown at the next await outside every mask that holds it: of several signals, the strongest. So the
    result of a masked `await` is never lost. A loop in which every await is masked is only reached by a Kill: put an
    `await asyncio.sleep(0)` outside the mask into it. Tasks that are spawned inside are covered while the block is
    open, except from its owner and from each other. It also works as a decorator of an async function.

    A plain `cancel()` passes, so timeouts inside the block work; but so does one from outside: a timeout around the
    block, or a sibling's failure in a `TaskGroup`. `plain=True` holds these, too. In a cancelled anyio scope use
    anyio's `CancelScope(shield=True)`.

    Args:
        cls: The strongest signal class to hold.
        within: End the protection after so many seconds. Default: when the block ends.
        plain: Also hold plain `cancel()` calls.

    Raises:
        TypeError: For something that is not a signal class.
        ValueError: For `Kill`, and for `within` that is not above 0.
        RuntimeError: As for `accept`.

    Example::

        async def pay():
            with mask(Terminate):
                await asyncio.sleep(0.01)
                print("paid")
            await asyncio.sleep(3600)

        task = create_task(pay())
        await asyncio.sleep(0)
        await stop(task)  # paid

    .. versionadded:: 0.1.0
    """

    __slots__ = slots("_timer", "_waiting", "cls", "masks", "plain", "within")

    def __init__(self, cls: type[Signal] = Terminate, *, within: float | None = None, plain: bool = False) -> None:
        self.inbox = None
        self.state = UNUSED
        self.masks = level_of(cls, "mask()")
        if not self.masks:
            raise ValueError(f"mask({cls.__name__}) would hold nothing; to hold all but a Kill, say mask(Terminate)")
        if within is not None and not (isinstance(within, (int, float)) and 0 < within <= LONGEST):
            raise ValueError(f"mask(within={within!r:.200}): give a number of seconds above 0, or leave it out")
        self.cls = cls
        self.within = within
        self.plain = plain
        self._waiting: weakref.WeakKeyDictionary[Inbox, None] | None = None  # in order of arrival
        self._timer: TimerHandle | None = None

    def __enter__(self) -> None:
        inbox = self._enter()
        if self.within is not None and inbox is not None:
            host: Any = inbox.task()
            self._timer = host.get_loop().call_later(self.within, self._expire)

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        owner = None if self.inbox is None else self.inbox.task()
        try:
            self._leave(et is not None)
        finally:
            if self._waiting is not None:
                if isinstance(owner, Task):
                    owner.remove_done_callback(self._owner_ended)
                self._look_again(self.masks)
            del owner

    def is_waited_for_by(self, inbox: Inbox) -> None:
        """It holds a signal in a task that was spawned inside: when it ends, it looks there.

        :meta private:
        """
        if self._waiting is None:
            self._waiting = weakref.WeakKeyDictionary()
            if self.inbox is not None and (owner := self.inbox.task()) is not None:
                owner.add_done_callback(self._owner_ended)
        self._waiting[inbox] = None

    def _owner_ended(self, owner: object) -> None:
        """It leaked out of its task, and has ended with it (R17)."""
        self._look_again(self.masks)

    def _expire(self) -> None:
        """`within` is over: the block stays open, but holds nothing any more."""
        held, self.masks, self.plain = self.masks, 0, False
        self._look_again(held)
        if self.inbox is not None and (host := self.inbox.task()) is not None:
            host._look_later()

    def _look_again(self, held: int) -> None:
        """It has ended, which has held up to that level in tasks spawned inside it."""
        waiting, self._waiting = self._waiting or (), None
        for inbox in tuple(waiting):
            task = inbox.task()
            if task is None or task.done():
                # It ended while masked: the signal that was held did not end it.
                inbox.pending = tuple(one for one in inbox.pending if one.level > held or self in one.inside)
            else:
                task._look()

    def _fresh(self) -> mask:
        return mask(self.cls, within=self.within, plain=self.plain)

    def __repr__(self) -> str:
        return f"mask({self.cls.__name__})"


class on_signal(PassingBlock, Generic[_S]):
    """`with on_signal(Drain, callback):` call `callback(signal)` when such a signal arrives.

    The callback runs at once, in the task's context, and must not block. The signal is then handled: neither pending
    nor thrown. The innermost block that names the signal's class takes it; a `mask` does not hold it back. If the
    callback raises, the loop's exception handler is called, and the signal goes on as without a callback. On Python
    3.11 the context is a copy, taken when the block is entered. It also works as a decorator of an async function.

    Args:
        cls: The signal class to handle, with its subclasses.
        callback: A function of the signal, not async.

    Raises:
        TypeError: For something that is not a signal class, or a callback that is async or cannot be called.
        ValueError: For `Kill`.
        RuntimeError: As for `accept`, and in a function under `to_thread`.

    Example::

        async def server():
            with on_signal(Drain, lambda signal: print("told:", signal.reason)):
                await asyncio.sleep(0.01)

        task = create_task(server())
        await asyncio.sleep(0)
        task.drain("closing")  # told: closing
        await task

    .. versionadded:: 0.1.0
    """

    __slots__ = ("callback", *slots("cls"), "context")

    def __init__(self, cls: type[_S], callback: Callable[[_S], object]) -> None:
        super().__init__()
        level_of(cls, "on_signal()")
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError(f"on_signal() takes a function to call at once, not async, got {callback!r:.200}")
        self.cls = cls
        self.callback = callback
        self.context: Context | None = None

    def __enter__(self) -> None:
        if current() is None and (function := running.function) is not None:
            raise RuntimeError(
                f"{self!r} works in a task only, and this is {function!r}: a callback from another thread would run "
                f"in the middle of it. Ask requested() there, or open an accept() or a mask()"
            )
        self._enter()
        if not hasattr(asyncio.Task, "get_context"):  # Python 3.11
            self.context = copy_context()

    def __exit__(self, et: object, *exc: object) -> None:
        self._leave(et is not None)

    def handles(self, signal: Signal) -> bool:
        """Whether the signal is one of those named.

        :meta private:
        """
        return isinstance(signal, self.cls)

    def take(self, task: Any, signal: Any) -> bool:
        """Run the callback. False when it failed; the loop's exception handler is then called (R15).

        :meta private:
        """
        own: Context = task.get_context() if self.context is None else self.context
        outside = _may_be_entered(own)  # it is not, where the task, or a callback of its, signals the task
        try:
            if outside:
                own.run(self.callback, signal)
            else:
                self.callback(signal)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            context = {"message": f"on_signal callback {self.callback!r} of {task!r} failed", "exception": error}
            if outside:  # else asyncio would enter the task's context once more for the handler
                context["task"] = task
            task.get_loop().call_exception_handler(context)
            del context
            return False
        return True

    def _fresh(self) -> on_signal[_S]:
        return on_signal(self.cls, self.callback)

    def __repr__(self) -> str:
        return f"on_signal({self.cls.__name__}, {self.callback!r})"


def _may_be_entered(context: Context) -> bool:
    """Whether nobody runs in it: Python enters a context once."""
    try:
        context.run(bool)
    except RuntimeError:
        return False
    return True


class catch(BaseBlock, Generic[_S]):
    """`with catch(Drain) as drain:` let such a signal interrupt the awaits in the block, end the block, and go on.

    After the block, `if drain:` tells whether a signal came, and `drain.signal` is it, or `None`. The task goes on as
    if it had not been cancelled: `cancelling()` is what it was before. Not caught are: a stronger signal; a Kill; and a
    signal that only ended a task that was awaited. If a plain `cancel()` came as well, that is raised. It also works as
    a decorator of an async function, which returns `None` when a signal was caught.

    A signal that is pending on entry is thrown at the first await that has to wait. The `get()` of a queue with items
    does not: use `until`, or ask `requested(Drain)` first.

    Args:
        cls: The signal class to catch, weaker than `Kill`.

    Raises:
        TypeError: For something that is not a signal class.
        ValueError: For `Kill`.
        RuntimeError: As for `accept`.

    Example::

        async def server():
            with catch(Drain) as drain:
                await asyncio.sleep(3600)
            if drain:
                print("closing:", drain.signal.reason)

        task = create_task(server())
        await asyncio.sleep(0)
        task.drain("maintenance")
        await task  # closing: maintenance

    .. versionadded:: 0.1.0
    """

    __slots__ = slots("_count", "_owed", "accepts", "cls", "signal")

    def __init__(self, cls: type[_S]) -> None:
        super().__init__()
        self.accepts = level_of(cls, "catch()")
        self.cls = cls
        self.signal: _S | None = None
        self._count = self._owed = 0

    def __bool__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Self:
        inbox = self._enter()
        if inbox is not None and isinstance(task := inbox.task(), Task):  # a function in a thread has no count
            self._owed = inbox.owed
            self._count = stock.cancelling(task)
        return self

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> bool:
        inbox = self._leave(et is not None)
        if not isinstance(exc, self.cls) or exc.level >= KILL_LEVEL or inbox is None:
            return False
        if getattr(exc, "_ended_another", False):
            return False
        self.signal = exc.copy()  # the raised one holds this frame
        task = inbox.task()
        if not isinstance(task, Task):
            return True
        stock.take_back(task, inbox.take_back(self._owed))
        if stock.cancelling(task) <= self._count:
            return True
        try:
            self._raise_what_is_left(inbox)
        finally:
            del task, inbox, exc, tb

    def _raise_what_is_left(self, inbox: Inbox) -> NoReturn:
        """A plain cancel has come as well."""
        error = CancelledError()
        inbox.land_plain(error)
        try:
            raise error from error.__cause__
        finally:
            del inbox, error

    def __call__(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R | None]]:
        """Decorate an async function, which then returns `None` when such a signal has ended it."""
        return self._around(fn)

    def _fresh(self) -> catch[_S]:
        return catch(self.cls)

    def __repr__(self) -> str:
        return f"catch({self.cls.__name__})"


if speed is not None:
    for _block in (accept, mask, catch):
        _own: Any = _block
        _own._init, _own._open, _own._close = _own.__init__, _own.__enter__, _own.__exit__
        _own.__signature__ = inspect.signature(_own)
        _own.__init__, _own.__enter__, _own.__exit__ = speed.Block.begin, speed.Block.enter, speed.Block.exit
    speed.bind_blocks(accept, mask, catch, UNUSED, OPEN, CLOSED)

for _cls in (accept, mask, on_signal, catch):
    _cls.__module__ = "sigtask"
