"""Blocks of code that say what a task does with its signals: `accept`, `mask`, `on_signal`, `catch` (R11, R13 to R17).

    with catch(Interrupt) as caught:        # ends the block when an Interrupt for this task comes out of it
        with accept(Drain):                 # here a Drain may interrupt the await
            order = await queue.get()
        with mask(Terminate):               # here nothing but a Kill can
            await book(order)

A block belongs to the task it was entered in, and blocks close in the order they opened. The inbox keeps the open
ones as a linked list from the innermost out; a task spawned inside a mask starts with its parent's list as its tail.
In a thread that runs a plain function for a task, a block belongs to the function, which opens and closes it under
its lock (`function`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from asyncio import CancelledError, TimerHandle
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from ..signals import KILL_LEVEL, Signal, Terminate, level_of
from .delivery import plain_error
from .function import Function, running
from .inbox import Inbox
from .task import Task, current, here

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound=Signal)


_UNUSED: Any = object()
"""What a block that was never entered has in the place of the block around it."""


class _Block:
    """One block: opened in one task, closed in the same, innermost first (R17)."""

    __slots__ = ("inbox", "prev")

    masks = 0
    accepts = KILL_LEVEL
    plain = False
    waiting: list[Callable[[], Any]]

    def __init__(self) -> None:
        self.inbox: Inbox | None = None
        self.prev: Any = _UNUSED

    def _enter(self) -> tuple[Any, Inbox]:
        if self.prev is not _UNUSED:
            # A task spawned inside has it in its list for good: entered again there, the list would be a ring.
            state = "has been used" if self.inbox is None else f"is open already, in {self.inbox.task()!r}"
            raise RuntimeError(f"{self!r} {state}; make a new one for each `with`")
        task = here(self)
        inbox = task._inbox
        if inbox is None:
            if isinstance(task, Function):
                task.open(self)
                return task, task.inbox
            inbox = task._mailbox()
        self.prev, self.inbox = inbox.top, inbox
        inbox.top = self
        return task, inbox

    def _leave(self, leaving: bool = False) -> tuple[Any, Inbox]:
        """Close it; `leaving` says that an exception goes through."""
        inbox: Inbox | None = self.inbox
        task: Any = current()
        if inbox is None or inbox.top is not self or inbox.task() is not task:
            function = running.function
            if task is None and inbox is not None and function is not None and function.has_open(self):
                function.close(self, leaving=leaving)
                return function, inbox
            del inbox, task
            raise self._misplaced()
        inbox.top, self.inbox = self.prev, None
        return task, inbox

    def _misplaced(self) -> RuntimeError:
        inbox, task = self.inbox, current()
        if inbox is None:
            return RuntimeError(f"{self!r} is not open")
        owner = inbox.task()
        if owner is not task:
            return RuntimeError(
                f"{self!r} was entered in {owner!r} and left in {task!r}; a block must open and close in one task. "
                f"An async generator that is abandoned inside a block does this: use contextlib.aclosing() (PEP 789)"
            )
        return RuntimeError(f"{self!r} was left while {inbox.top!r}, opened inside it, is open; close that one first")

    def handles(self, signal: Signal) -> bool:
        return False

    def take(self, task: Any, signal: Signal) -> bool:
        return False

    def _fresh(self) -> Any:
        raise NotImplementedError

    def __call__(self, fn: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]:
        """As a decorator of an async function: each call runs inside a block of its own."""
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"{self!r} decorates async functions (async def), and {fn!r} is none")

        @functools.wraps(fn)
        async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self._fresh():
                return await fn(*args, **kwargs)
            return None  # `catch` may end the block

        return wrapper


class accept(_Block):
    """`with accept(Drain):` let signals of that level and above interrupt the awaits in the block (R13).

    A new task holds what is weaker than `Interrupt`; `accept(Drain)` is how it says where a Drain may come in. What
    is held at that level is raised on entry. A mask around or inside it wins.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`; the held signal itself, on entry.
    """

    __slots__ = ("accepts", "cls")

    def __init__(self, cls: type[Signal]) -> None:
        super().__init__()
        self.accepts = level_of(cls, "accept()")
        self.cls = cls

    def __enter__(self) -> None:
        inbox = self._enter()[1]
        inbox.listens_at = min(inbox.listens_at, self.accepts)
        if inbox.held and isinstance(inbox.task(), Task) and (delivery := inbox.pick()) is not None:
            self._leave()
            inbox.raise_now(delivery)
            raise delivery.fresh()

    def __exit__(self, et: object, *exc: object) -> None:
        self._leave(et is not None)

    def _fresh(self) -> accept:
        return accept(self.cls)

    def __repr__(self) -> str:
        return f"accept({self.cls.__name__})"


class mask(_Block):
    """`with mask(Terminate):` hold every signal up to that level until the block ends; a Kill always passes (R14).

    When the block ends, the strongest held signal is raised at once. If the block is left by an exception, that one
    goes on its way and the signal is thrown at the next await. Tasks spawned inside are covered while it lasts.

    `within=seconds` ends the protection early. A plain `cancel()` passes, so that timeouts inside work, unless
    `plain=True`. A mask holds what arrives while it is open: a signal the task sent itself before is thrown all the
    same. It does not stop code in threads.

    Raises: `TypeError` for what is no signal class; `ValueError` for `Kill` or a `within` that is not above 0; the
    held signal itself, at the end.
    """

    __slots__ = ("_timer", "cls", "masks", "plain", "waiting", "within")

    def __init__(self, cls: type[Signal] = Terminate, *, within: float | None = None, plain: bool = False) -> None:
        self.inbox = None
        self.prev = _UNUSED
        self.masks = level_of(cls, "mask()")
        if within is not None and not 0 < within < math.inf:
            raise ValueError(f"mask(within={within!r}): give a number of seconds above 0, or leave it out")
        self.cls = cls
        self.within = within
        self.plain = plain
        self.waiting: list[Callable[[], Any]] = []
        self._timer: TimerHandle | None = None

    def __enter__(self) -> None:
        task, _ = self._enter()
        if self.within is not None:
            self._timer = task.get_loop().call_later(self.within, self._expire)

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        task, inbox = self._leave(et is not None)
        if self._timer is not None:
            self._end_timer()
        if self.waiting:
            self._look_again()
        if (inbox.held or inbox.plain_held) and not isinstance(task, Function):
            if et is not None:
                task._release()
            elif (error := _raised_at_once(inbox)) is not None:
                try:
                    raise error
                finally:
                    del error, task

    def _end_timer(self) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._timer = None

    def _expire(self) -> None:
        """`within` is over: the block is still open, but holds nothing from now on."""
        self.masks, self.plain = 0, False
        self._look_again()
        if self.inbox is not None and (task := self.inbox.task()) is not None:
            task._release()

    def _look_again(self) -> None:
        waiting, self.waiting = self.waiting, []
        for ref in waiting:
            if (task := ref()) is not None:
                task._release()

    def _fresh(self) -> mask:
        return mask(self.cls, within=self.within, plain=self.plain)

    def __repr__(self) -> str:
        return f"mask({self.cls.__name__})"


def _raised_at_once(inbox: Inbox) -> CancelledError | None:
    """What the end of a mask raises: the strongest signal it held, or the plain cancel, or neither."""
    delivery = inbox.pick()
    plain = 0 if inbox.masks_plain else inbox.plain_held
    if plain:
        inbox.plain_held, inbox.extra = 0, inbox.extra + plain
    if delivery is not None:
        inbox.raise_now(delivery)
        return delivery.fresh()
    if plain:
        return plain_error(inbox.plain_msg)
    return None


class on_signal(_Block, Generic[_S]):
    """`with on_signal(Drain, callback):` run `callback(signal)` when such a signal arrives (R15).

    It runs in the task's context at the moment of arrival, in place of holding or throwing the signal, so it must
    not wait. The innermost block that names the signal's class takes it. When the callback raises, the loop's
    exception handler is told, and the signal is treated as if there were no callback. (On Python 3.11 the context is
    a copy, taken when the block is entered.)

    Raises: `TypeError` for what is no signal class or not callable, `ValueError` for `Kill`.
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
        if isinstance(function := here(f"{self!r}"), Function):
            raise RuntimeError(
                f"{self!r} works in a task only, and this is {function!r}: a callback from another thread would run "
                f"in the middle of it. Ask requested() there, or open an accept() or a mask()"
            )
        _, inbox = self._enter()
        inbox.listens_at = min(inbox.listens_at, self.cls.level)
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
    """`with catch(Interrupt) as caught:` end the block when such a signal for this task comes out of it (R16).

    The request is taken back (`uncancel`), so the task goes on with a clean count, and `caught.signal` is the signal;
    `None` if the block ended in any other way. A signal that merely killed a task being awaited is not caught, nor
    is a Kill. If a plain `cancel()` came with it and is not taken back, the block raises that `CancelledError`.

    Raises: `TypeError` for what is no signal class, `ValueError` for `Kill`.
    """

    __slots__ = ("_count", "cls", "signal")

    def __init__(self, cls: type[_S]) -> None:
        super().__init__()
        level_of(cls, "catch()")
        self.cls = cls
        self.signal: _S | None = None
        self._count = 0

    def __enter__(self) -> Self:
        task, inbox = self._enter()
        self.signal = None
        if not isinstance(task, Function):  # which has no such count
            self._count = Task.cancelling(task) - inbox.plain_held  # what a mask holds has not come yet (R14)
        return self

    def __exit__(self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> bool:
        task, inbox = self._leave(et is not None)
        if not isinstance(exc, self.cls) or exc.level >= KILL_LEVEL:
            return False
        if exc.target not in (None, task.owner if isinstance(task, Function) else task):
            return False
        self.signal = exc.copy()  # the raised one holds this very frame
        if isinstance(task, Function):
            task.take_back(exc)
            return True
        held, inbox.plain_held = inbox.plain_held, 0  # a plain cancel that a mask holds is not taken back (R14)
        for _ in range(inbox.take_back(exc)):
            Task.uncancel(task)  # not `task.uncancel`: aiotools' shield puts one on the task that knows its own alone
        cancelled = Task.cancelling(task) > self._count
        inbox.plain_held = held
        del task, inbox, exc, tb
        if cancelled:
            raise CancelledError from None
        return True

    def _fresh(self) -> catch[_S]:
        return catch(self.cls)

    def __repr__(self) -> str:
        return f"catch({self.cls.__name__})"


for _cls in (accept, mask, on_signal, catch):
    _cls.__module__ = "sigtask"
