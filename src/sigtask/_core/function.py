"""A plain function under signals, in a thread without a loop: what stands there in the place of a task.

The blocks, `requested()` and `checkpoint()` find it where `asyncio.current_task()` finds no loop. It has an inbox of
its own, which decides as a task's does; here it is acted on. An edge (`threads`, `processes`) runs the function, and
says how a signal gets into it.

Two threads meet here: the loop's, which brings signals, and the function's, which opens and closes blocks. Whatever
looks at the inbox does so under `lock`, and a block opens in the same breath as it looks whether something is in
flight. So a signal is judged before a mask opens, and raised where it opens, or after, and held.

    in flight ──► hit: the edge makes the interpreter raise `Injected` at some bytecode of the function's thread
        │                      └─ made there, it turns into the signal: `landing()`
        └──────► met: the function comes to one of our calls first. The hit is withdrawn, the signal raised there

`ended` is the moment after which nothing is raised: `box` is filled by C code, in one step with the function's return.
"""

from __future__ import annotations

import sys
import threading
import weakref
from asyncio import CancelledError
from collections.abc import Callable
from functools import partial
from itertools import starmap
from types import FrameType
from typing import Any, ParamSpec

from ..signals import KILL_LEVEL, Signal
from .delivery import Delivery, Fate, plain_error
from .inbox import Block, Inbox

_P = ParamSpec("_P")


class _Running(threading.local):
    """The function that runs in this thread."""

    function: Function | None = None


running = _Running()


class Function:
    """One call of a plain function, in a thread of its own, for the task `owner` that waits for it."""

    _inbox = None  # a task's: where it is `None`, as in a task without signals, there is nothing to do with it

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], owner: Any = None) -> None:
        self.fn: Callable[..., Any] = fn
        self.args = args
        self._owner = None if owner is None else weakref.ref(owner)
        self._parent = self._owner  # whose ladder's `time_left()` is
        theirs: Inbox | None = getattr(owner, "_inbox", None)
        self.inbox = Inbox(self, None if theirs is None else theirs.cover)
        self.lock = threading.RLock()  # reentrant: a finalizer that runs in here may send a signal
        self.box: list[Any] = []
        self.error: BaseException | None = None
        self.deferred: list[Callable[[], object]] = []
        self.hit = False  # `Injected` is on its way into the thread
        self.started = False
        self.finished = False  # what it deferred has run, too
        self._plain = 0  # 1: a plain cancel is in flight; 2: it was raised
        self._plain_msg: object = None

    def __repr__(self) -> str:
        return f"<{getattr(self.fn, '__qualname__', self.fn)} in {self.get_name()}>"

    # -- what the blocks ask of a task --------------------------------------------------------------------------------

    def get_name(self) -> str:
        """The name of the thread it runs in."""
        return threading.current_thread().name

    @property
    def owner(self) -> Any:
        """The task that waits for it; its signals are addressed to that one."""
        return None if self._owner is None else self._owner()

    @property
    def ended(self) -> bool:
        """Whether the function has returned or raised; only what it deferred may still run."""
        return bool(self.box)

    def done(self) -> bool:
        """As `ended`: a block that leaked out of it holds nothing any more."""
        return self.ended

    def get_loop(self) -> Any:
        """What has `call_later`, for `mask(within=...)`."""
        return self

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Call back in so many seconds, in any thread; gives what has a `cancel()`."""
        timer = threading.Timer(seconds, callback)
        timer.daemon = True
        timer.start()
        return timer

    def _mailbox(self) -> Inbox:
        return self.inbox

    def _release(self) -> None:
        """A block closed somewhere else, or was left by an exception: what the threshold now admits is raised."""
        with self.lock:
            self._let_fly()
            self._hit()

    # -- how a signal gets into the function: the edge's part ---------------------------------------------------------

    def inject(self) -> bool:
        """Have `Injected` raised in the function's thread, at its next bytecode; whether that is under way."""
        return False

    def withdraw(self) -> None:
        """Take back an `inject` that has not been raised yet. Called in the function's thread."""

    def inject_soon(self) -> None:
        """As `_hit`, but let what is being raised now get out of the block it leaves."""
        self._hit()

    # -- arrivals, in the loop's thread -------------------------------------------------------------------------------

    def receive(self, signal: Signal) -> bool:
        """Take in a signal; whether the function takes it: raised soon, merged with one that is, or in force (R8)."""
        with self.lock:
            if self.ended:
                return False
            inbox, delivery = self.inbox, Delivery(signal, signal._target, signal.sender)
            inbox.record(delivery)
            if any(one.given.origin is signal.origin for one, _ in inbox.in_force):
                delivery.fate = Fate.ABSORBED  # the owner held it, and now passes it on again
                return True
            if inbox.judge(delivery):
                inbox.launch(delivery)
                self._hit()
                return True
            return delivery.fate is Fate.SUPERSEDED

    def receive_plain(self, msg: object) -> bool:
        """Take in a plain `cancel(msg)`: raised once as a `CancelledError`, and not in the cleanup under a signal.

        Libraries repeat it on every turn of the loop (anyio), and a thread has no await at which alone it would land.
        """
        with self.lock:
            if self.ended:
                return False
            if self.inbox.masks_plain and not self._plain:
                self.inbox.hold_plain(msg)
            elif not self._plain and not self.inbox.force:
                self._plain, self._plain_msg = 1, msg
                self._hit()
            return True

    @property
    def in_flight(self) -> bool:
        """Whether something is to be raised."""
        return self._plain == 1 or self.inbox.flying is not None

    def _hit(self) -> None:
        if self.in_flight and self.started and not self.hit and not self.ended:
            self.hit = self.inject()

    def hit_again(self) -> None:
        """What is still in flight is raised at the next bytecode."""
        with self.lock:
            self._hit()

    def _let_fly(self) -> None:
        inbox = self.inbox
        if inbox.held and (delivery := inbox.pick()) is not None:
            inbox.launch(delivery)
        if inbox.plain_held and not inbox.masks_plain:
            inbox.plain_held = 0
            self._plain, self._plain_msg = max(self._plain, 1), inbox.plain_msg

    # -- in the function's thread -------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Raise what is in flight, here and now."""
        with self.lock:
            error = self._land()
        if error is not None:
            try:
                raise error
            finally:
                del error

    def landing(self) -> BaseException:
        """What `Injected` turns into, when the interpreter raises it."""
        with self.lock:
            self.hit = False
            close_the_block_of(sys._getframe(2))
            self._let_fly()
            return self._land() or CancelledError("withdrawn too late")  # the function has ended: nobody sees it

    def _land(self) -> CancelledError | None:
        self._take_back_the_hit()
        if self.ended:
            return None
        if self.inbox.flying is not None:
            self._plain = min(self._plain, 1) * 2  # one exception stands for both
            return self.inbox.land().fresh()
        if self._plain == 1:
            self._plain = 2
            return plain_error(self._plain_msg)
        return None

    def _take_back_the_hit(self) -> None:
        if self.hit:
            self.hit = False
            self.withdraw()

    def listen(self, level: int) -> None:
        """Note that the function asks for signals of that level, and so its owner does (R26)."""
        self.checkpoint()
        for inbox in (self.inbox, getattr(self.owner, "_inbox", None)):
            if inbox is not None:
                inbox.listens_at = min(inbox.listens_at, level)

    def open(self, block: Block) -> None:
        """Enter a block, unless something is in flight, or admitted by it: that is raised (R13)."""
        if block.accepts < KILL_LEVEL:
            self.listen(block.accepts)
        inbox = self.inbox
        with self.lock:
            error = self._land()
            if error is None:
                block.prev, block.inbox, inbox.top = inbox.top, inbox, block
                if inbox.held and (delivery := inbox.pick()) is not None:
                    self._unlink(block)
                    inbox.raise_now(delivery)
                    error = delivery.fresh()
        if error is not None:
            try:
                raise error
            finally:
                del error

    def close(self, block: Block, *, leaving: bool) -> None:
        """End a block. What it held is raised at once; when an exception leaves it, that one goes first (R14)."""
        with self.lock:
            self._unlink(block)
            error = None
            self._let_fly()
            if not leaving:
                error = self._land()
            elif self.in_flight:
                self._take_back_the_hit()
                self.inject_soon()
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _unlink(self, block: Block) -> None:
        """Close `block`, and what leaked inside it: a signal can hit the very first bytecode of an `__exit__`."""
        inner = self.inbox.top
        while inner is not None and inner is not block:
            inner.inbox, inner = None, inner.prev
        self.inbox.top, block.inbox = block.prev, None
        if (timer := getattr(block, "_timer", None)) is not None:
            timer.cancel()

    def has_open(self, block: Block) -> bool:
        """Whether the block is open in this function."""
        return block.inbox is self.inbox

    def take_back(self, signal: Signal) -> None:
        """`catch` took this signal: it is no longer in force."""
        with self.lock:
            self.inbox.take_back(signal)

    # -- the function's life, in its thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """Run the function and what it deferred. Nothing is raised here, and nothing of ours hits the thread later.

        R7: signalled before it begins, the function is not called at all.
        """
        running.function = self
        try:
            try:
                if self._begin():
                    # In C: no bytecode of ours comes between the function's return and the filling of the box.
                    self.box.extend(starmap(self.fn, (self.args,)))
                    if not self.box:
                        raise RuntimeError(f"{self!r} raised StopIteration, which a coroutine cannot pass on")
            except BaseException as error:
                if not self.box:
                    self.error = error
                    self.box.append(None)
            self._settle()
        except CancelledError:
            self._settle()  # it was on its way when the function ended, and there can be no second
        self._clean_up()
        running.function = None
        self.finished = True
        self.fn, self.args = _ended, ()  # what the caller gave is the caller's again
        del self

    def _begin(self) -> bool:
        with self.lock:
            self.started = not self.in_flight
        return self.started

    def _settle(self) -> None:
        """The function has ended. A signal in flight that it never saw ends it, as it does a task that returns."""
        with self.lock:
            if not self.box:
                self.box.append(None)  # it never began
            self._take_back_the_hit()
            if self.error is None and self.inbox.flying is not None:
                self.error = self.inbox.land().fresh()
            elif self.error is None and self._plain == 1:
                self.error = plain_error(self._plain_msg)

    def _clean_up(self) -> None:
        while self.deferred:
            try:
                self.deferred.pop()()
            except BaseException as error:
                error.__context__ = error.__context__ or self.error
                self.error = error


def _ended() -> None:
    """What stands in the place of a function that has ended."""


def close_the_block_of(frame: FrameType | None) -> None:
    """An exception came down in `frame`: if that is the beginning or the end of a block, the block is closed.

    The `with` statement counts the block as not entered, or as left. (CPython 3.11 makes an injected exception only
    in the frame that catches it; there, the end of the next block around closes it.)
    """
    function = running.function
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        if frame.f_code.co_name in ("__enter__", "__exit__"):
            block: Any = frame.f_locals.get("self")
            if function is not None and isinstance(getattr(block, "inbox", None), Inbox) and function.has_open(block):
                function._unlink(block)
        frame = frame.f_back


class _Landing(type):
    """The interpreter can be told to raise a class, not an instance; it makes the instance in the thread it hits.

    So there the signal takes its place, with its reason, and the strongest of several (R6).
    """

    def __call__(cls, *args: object) -> Any:
        if args:  # 3.11, in an `except`: it asks once more, with what it was given, for that is of another class
            return args[0]
        function = running.function
        return CancelledError("withdrawn too late") if function is None else function.landing()


class Injected(CancelledError, metaclass=_Landing):
    """What the interpreter is told to raise in a function's thread."""


def _here(call: str) -> Function:
    function = running.function
    if function is None:
        raise RuntimeError(
            f"{call} works in a plain function that was started with sigtask.to_thread() or sigtask.to_process(), "
            f"and none is running here; in a task, each await is a checkpoint, and `finally` is for cleanup"
        )
    return function


def checkpoint() -> None:
    """In a function started with `to_thread` or `to_process`: raise a signal that is on its way, here and now.

    Signals are raised at any bytecode anyway, unless masked; this is for a place that you choose. It costs little
    enough for an inner loop. Raises: the signal; `RuntimeError` outside such a function.
    """
    _here("checkpoint()").checkpoint()


def defer(callback: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """In a function started with `to_thread` or `to_process`: call back when it has ended, however it ends.

    A signal raised in plain code can skip the `except` and `finally` around a tight loop; what is deferred runs in any
    case, in the function's thread, the last one first, and no signal is raised in it. When a callback raises, the
    others still run, and its error is the outcome. Open a `mask` around taking a thing and deferring its return.

    Raises: `TypeError` for what cannot be called; `RuntimeError` outside such a function.
    """
    if not callable(callback):
        raise TypeError(f"defer() takes a function to call at the end, got {callback!r}")
    _here("defer()").deferred.append(partial(callback, *args, **kwargs))
