"""Blocks of code that say what a task does with its signals: `accept`, `mask`, `on_signal`, `catch` (R11, R13 to R17).

    with catch(Drain) as drain:             # here a Drain may interrupt the await, and ends the block
        order = await queue.get()
    if drain: ...
    with mask(Terminate):                   # here nothing but a Kill comes in
        await book(order)

A block belongs to the task it was entered in. Entering and leaving one throws nothing: what is pending, and may be
thrown now, is thrown at the await at which the task next waits, under the blocks that are open then. In a task of
asyncio's own blocks do nothing, and warn. In a thread that runs a plain function for a task, a block belongs to the
function, which opens and closes it under its lock (`host.ThreadHost`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import warnings
import weakref
from asyncio import CancelledError, TimerHandle
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from ..signals import KILL_LEVEL, Signal, Terminate, level_of
from . import stock
from .host import running
from .inbox import Inbox
from .stock import current
from .task import Task

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound=Signal)

_UNUSED, _OPEN, _CLOSED, _INERT = "has not been entered", "is open", "has been used", "is open in a stock task"


class _Block:
    """One block: opened in one task, closed in the same, innermost first (R17)."""

    __slots__ = ("inbox", "state")

    masks = 0
    accepts = KILL_LEVEL
    plain = False

    def __init__(self) -> None:
        self.inbox: Inbox | None = None
        self.state = _UNUSED

    def _enter(self) -> Inbox | None:
        """Open it; `None` where it is of no effect, in a stock task."""
        if self.state is not _UNUSED:
            raise RuntimeError(f"{self!r} {self.state}; make a new one for each `with`")
        task = current()
        if isinstance(task, Task):
            inbox = task._inbox or task._mailbox()
            inbox.blocks = (*inbox.blocks, self)
        elif task is None and (function := running.function) is not None:
            function.open(self)
            inbox = function._mailbox()
        elif task is None:
            raise RuntimeError(f"{self!r} works in a task only, and none is running here")
        else:
            warn_of_stock(repr(self), 3)
            self.state = _INERT
            return None
        self.inbox, self.state = inbox, _OPEN
        if inbox.pending and task is not None:
            task._look_later()
        return inbox

    def _leave(self, leaving: bool = False) -> Inbox | None:
        """Close it; `leaving` says that an exception goes through. `None` where it was of no effect."""
        inbox = self.inbox
        if inbox is None:
            if self.state is _INERT:
                self.state = _CLOSED
                return None
            raise RuntimeError(f"{self!r} is not open")
        if (function := running.function) is not None and function.has_open(self):
            self.state = _CLOSED
            function.close(self, leaving=leaving)
            return inbox
        blocks, task = inbox.blocks, inbox.task()
        wrong = None
        if task is not current():
            wrong = self._left_elsewhere(task)
        elif blocks[-1:] != (self,):
            wrong = f"{self!r} was left while {blocks[-1]!r}, opened inside it, is open; close that one first"
        inbox.blocks = blocks[:-1] if wrong is None else tuple(block for block in blocks if block is not self)
        self.inbox, self.state = None, _CLOSED
        if task is not None and (inbox.pending or inbox.plain_held):
            task._look_later()
        del task
        if wrong is not None:
            raise RuntimeError(wrong)
        return inbox

    def _left_elsewhere(self, owner: object) -> str:
        return (
            f"{self!r} was entered in {owner!r} and left in {current()!r}; a block must open and close in one task. "
            f"An async generator that is abandoned inside a block does this: use contextlib.aclosing() (PEP 789)"
        )

    def handles(self, signal: Signal) -> bool:
        return False

    def take(self, task: Any, signal: Signal) -> bool:
        return False

    def _fresh(self) -> Any:
        raise NotImplementedError

    def _around(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R | None]]:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"@{self!r} needs an async function (async def), got {fn!r}")

        @functools.wraps(fn)
        async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
            with self._fresh():
                return await fn(*args, **kwargs)
            return None

        return wrapper


class _Passing(_Block):
    """A block that lets every exception pass."""

    __slots__ = ()

    def __call__(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R]]:
        """As a decorator of an async function: each call runs inside a block of its own."""
        return self._around(fn)  # type: ignore[return-value]  # `None` is for where an exception is kept


def warn_of_stock(call: str, level: int) -> None:
    """Something of ours was used in a stock task, where nobody can send signals: it is of no effect."""
    warnings.warn(
        f"{call} does nothing in a task of asyncio's own: call sigtask.install() before it is created, or start the "
        f"program with sigtask.run()",
        RuntimeWarning,
        stacklevel=level + 1,
    )


class accept(_Passing):
    """`with accept(Drain):` let signals of that level and above interrupt the awaits in the block (R13).

    A new task holds what is weaker than `Interrupt`; `accept(Drain)` is how it says where a Drain may come in, and end
    it. One that is pending already is thrown at the first await in the block at which the task waits. A mask around or
    inside the block wins. To go on after the Drain, use `catch`.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`.
    """

    __slots__ = ("accepts", "cls")

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


class mask(_Passing):
    """`with mask(Terminate):` hold every signal up to that level until the block ends; a Kill always passes (R14).

    What it held is thrown at the next await outside of any mask that holds it. So nothing that a masked `await`
    returned is lost, and a loop in which every await is masked is never reached: put an `await asyncio.sleep(0)` into
    it. Tasks spawned inside are covered while the block lasts, but for signals that come from inside of it.

    `within=seconds` ends the protection early. A plain `cancel()` passes, so that timeouts inside work, unless
    `plain=True`. It does not stop code in threads.

    Raises: `TypeError` for what is no signal class; `ValueError` for `Kill` or a `within` that is not above 0.
    """

    __slots__ = ("_timer", "_waiting", "cls", "masks", "plain", "within")

    def __init__(self, cls: type[Signal] = Terminate, *, within: float | None = None, plain: bool = False) -> None:
        self.inbox = None
        self.state = _UNUSED
        self.masks = level_of(cls, "mask()")
        if within is not None and not 0 < within < math.inf:
            raise ValueError(f"mask(within={within!r}): give a number of seconds above 0, or leave it out")
        self.cls = cls
        self.within = within
        self.plain = plain
        self._waiting: weakref.WeakKeyDictionary[Inbox, None] | None = None  # in the order in which they came
        self._timer: TimerHandle | None = None

    def __enter__(self) -> None:
        inbox = self._enter()
        if self.within is not None and inbox is not None and (host := inbox.task()) is not None:
            self._timer = host.get_loop().call_later(self.within, self._expire)

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._leave(et is not None)
        finally:
            if self._waiting:
                self._look_again()

    def is_waited_for_by(self, inbox: Inbox) -> None:
        """It holds something in a task spawned inside it: its end is to look there."""
        if self._waiting is None:
            self._waiting = weakref.WeakKeyDictionary()
        self._waiting[inbox] = None

    def _expire(self) -> None:
        """`within` is over: the block is still open, but holds nothing from now on."""
        self.masks, self.plain = 0, False
        self._look_again()
        if self.inbox is not None and (host := self.inbox.task()) is not None:
            host._look_later()

    def _look_again(self) -> None:
        waiting, self._waiting = self._waiting or (), None
        for inbox in tuple(waiting):
            if (task := inbox.task()) is not None:
                task._look()

    def _fresh(self) -> mask:
        return mask(self.cls, within=self.within, plain=self.plain)

    def __repr__(self) -> str:
        return f"mask({self.cls.__name__})"


class on_signal(_Passing, Generic[_S]):
    """`with on_signal(Drain, callback):` run `callback(signal)` when such a signal arrives (R15).

    It runs in the task's context at the moment of arrival, in place of holding or throwing the signal, so it must
    not wait. The innermost block that names the signal's class takes it. When the callback raises, the loop's
    exception handler is told, and the signal is treated as if there were no callback. (On Python 3.11 the context is
    a copy, taken when the block is entered.)

    Raises: `TypeError` for what is no signal class or not callable, `ValueError` for `Kill`; `RuntimeError` in a
    function under `to_thread`.
    """

    __slots__ = ("callback", "cls", "context")

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


class catch(_Block, Generic[_S]):
    """`with catch(Drain) as drain:` let such a signal interrupt the awaits in the block; it ends the block (R16).

    `if drain:` asks whether one did, and `drain.signal` is it, else `None`. The task goes on with a clean count: the
    requests of what came in the block are taken back (`uncancel`). Something stronger than it names goes on as it is,
    and so does a signal that merely killed a task that was awaited; a Kill is never caught. If a plain `cancel()` came
    together with the signal and is not taken back, the block raises that `CancelledError`.

    What is pending when the block is entered is thrown at the first await at which the task waits. An await that need
    not wait, such as the `get()` of a queue with items, is none: there, ask `requested(Drain)` first, or use `until`.
    What is interrupted is to give back what it took; a server that hands something over and forgets it does not.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`.
    """

    __slots__ = ("_count", "_owed", "accepts", "cls", "signal")

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
        for _ in range(inbox.take_back(self._owed)):
            stock.uncancel(task)  # not `task.uncancel`: aiotools' shield puts one on the task that knows its own alone
        if stock.cancelling(task) <= self._count:
            return True
        error = CancelledError()
        inbox.plain_thrown = weakref.ref(error)
        try:
            raise error from None
        finally:
            del task, inbox, exc, tb, error

    def __call__(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R | None]]:
        """As a decorator of an async function, which gives `None` when such a signal has ended it."""
        return self._around(fn)

    def _fresh(self) -> catch[_S]:
        return catch(self.cls)

    def __repr__(self) -> str:
        return f"catch({self.cls.__name__})"


for _cls in (accept, mask, on_signal, catch):
    _cls.__module__ = "sigtask"
