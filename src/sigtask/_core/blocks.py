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
import math
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


class accept(PassingBlock):
    """`with accept(Drain):` let signals of that level and above interrupt the awaits in the block (R13).

    In a new task, what is weaker than `Interrupt` is pending; `accept(Drain)` is how it says where a Drain may come in,
    and end it. One that is pending already is thrown at the first await in the block at which the task waits. A mask
    around or inside the block wins. To go on after the Drain, use `catch`.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`.
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
    """`with mask(Terminate):` hold every signal up to that level until the block ends; a Kill always passes (R14).

    What it held is thrown at the next await outside of any mask that holds it. So nothing that a masked `await`
    returned is lost, and a loop in which every await is masked is never reached: put a bare `await asyncio.sleep(0)`
    in it. Tasks spawned inside are covered while the block is open, but not from its owner, nor from each other.

    `within=seconds` ends the protection early. A plain `cancel()` passes, so that timeouts inside work, unless
    `plain=True`; so a timeout around the block, or a sibling that fails in a `TaskGroup`, comes in. In a cancelled
    anyio scope, which cancels on every turn of the loop, use anyio's shield.

    Raises: `TypeError` for what is no signal class; `ValueError` for `Kill` or a `within` that is not above 0.
    """

    __slots__ = slots("_timer", "_waiting", "cls", "masks", "plain", "within")

    def __init__(self, cls: type[Signal] = Terminate, *, within: float | None = None, plain: bool = False) -> None:
        self.inbox = None
        self.state = UNUSED
        self.masks = level_of(cls, "mask()")
        if not self.masks:
            raise ValueError(f"mask({cls.__name__}) would hold nothing; to hold all but a Kill, say mask(Terminate)")
        if within is not None and not (isinstance(within, (int, float)) and 0 < within < math.inf):
            raise ValueError(f"mask(within={within!r}): give a number of seconds above 0, or leave it out")
        self.cls = cls
        self.within = within
        self.plain = plain
        self._waiting: weakref.WeakKeyDictionary[Inbox, None] | None = None  # in the order in which they came
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
        """It holds something in a task spawned inside it: its end is to look there."""
        if self._waiting is None:
            self._waiting = weakref.WeakKeyDictionary()
            if self.inbox is not None and (owner := self.inbox.task()) is not None:
                owner.add_done_callback(self._owner_ended)
        self._waiting[inbox] = None

    def _owner_ended(self, owner: object) -> None:
        """It leaked out of its task, and has ended with it (R17)."""
        self._look_again(self.masks)

    def _expire(self) -> None:
        """`within` is over: the block is still open, but holds nothing from now on."""
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
                # It has ended under this mask: what was held is not what ended it.
                inbox.pending = tuple(one for one in inbox.pending if one.level > held or self in one.inside)
            else:
                task._look()

    def _fresh(self) -> mask:
        return mask(self.cls, within=self.within, plain=self.plain)

    def __repr__(self) -> str:
        return f"mask({self.cls.__name__})"


class on_signal(PassingBlock, Generic[_S]):
    """`with on_signal(Drain, callback):` run `callback(signal)` when such a signal arrives (R15).

    It runs in the task's context at the moment of arrival, and the signal is neither pending nor thrown. It must not
    wait. The innermost block that names the signal's class takes it. When the callback raises, the loop's
    exception handler is told, and the signal is treated as if there were no callback. (On Python 3.11 the context is
    a copy, taken when the block is entered.)

    Raises: `TypeError` for what is no signal class or not callable, `ValueError` for `Kill`; `RuntimeError` in a
    function under `to_thread`.
    """

    __slots__ = ("callback", *slots("cls"), "context")

    def __init__(self, cls: type[_S], callback: Callable[[_S], object]) -> None:
        super().__init__()
        level_of(cls, "on_signal()")
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError(f"on_signal() takes a function to call at once, not async, got {callback!r}")
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
        """Whether this signal is one of those named."""
        return isinstance(signal, self.cls)

    def take(self, task: Any, signal: Any) -> bool:
        """Run the callback; `False` when it failed, which the loop's exception handler is told (R15)."""
        try:
            self._run(task, signal)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            context = {"message": f"on_signal callback {self.callback!r} of {task!r} failed", "exception": error}
            if current() is not task:  # asyncio runs the handler in the task's context, which must not be entered yet
                context["task"] = task
            task.get_loop().call_exception_handler(context)
            del context
            return False
        return True

    def _run(self, task: Any, signal: _S) -> None:
        entered = False

        def call() -> None:
            nonlocal entered
            entered = True
            self.callback(signal)

        context = task.get_context() if self.context is None else self.context
        try:
            context.run(call)
            return
        except RuntimeError:
            if entered:
                raise
        self.callback(signal)  # that context is the one we are in: the task signals itself

    def _fresh(self) -> on_signal[_S]:
        return on_signal(self.cls, self.callback)

    def __repr__(self) -> str:
        return f"on_signal({self.cls.__name__}, {self.callback!r})"


class catch(BaseBlock, Generic[_S]):
    """`with catch(Drain) as drain:` let such a signal interrupt the awaits in the block; it ends the block (R16).

    `if drain:` asks whether one did, and `drain.signal` is it, else `None`. The task goes on with a clean count: the
    requests of what came in the block are taken back (`uncancel`). Something stronger than it names goes on as it is,
    and so does a signal that merely ended a task that was awaited; a Kill is never caught. If a plain `cancel()` came
    together with the signal and is not taken back, the block raises that `CancelledError`.

    What is pending when the block is entered is thrown at the first await at which the task waits. An await that need
    not wait, such as the `get()` of a queue with items, is none: there, ask `requested(Drain)` first, or use `until`.
    What is interrupted is to give back what it took; a server that hands something over and forgets it does not.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`.
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
        if inbox is not None and isinstance(task := inbox.task(), Task):  # a function in a thread has no such count
            self._owed = inbox.owed
            self._count = stock.cancelling(task)
        return self

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> bool:
        inbox = self._leave(et is not None)
        if not isinstance(exc, self.cls) or exc.level >= KILL_LEVEL or inbox is None:
            return False
        if getattr(exc, "_ended_another", False):
            return False
        self.signal = exc.copy()  # the raised one holds this very frame
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
        """As a decorator of an async function, which gives `None` when such a signal has ended it."""
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
