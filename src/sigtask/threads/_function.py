"""A plain function under signals, in a thread without a loop: what stands there in the place of a task (`host`).

The blocks, `requested()` and `checkpoint()` find it where `asyncio.current_task()` finds no loop. It has an inbox of
its own, which decides as a task's does; here it is acted on. A function has no awaits: a signal can be raised between
any two bytecodes, and its checkpoints, where one is raised for certain, are the beginning and the end of a block,
`requested()` and `checkpoint()`. A worker process runs its functions the same way (`processes`).

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
from itertools import starmap
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from .._core.around import Block
from .._core.delivery import Delivery, Fate, plain_error
from .._core.flight import passed_on
from .._core.handling import is_handling_now, led_to
from .._core.host import running
from .._core.inbox import Inbox
from ..signals import Signal
from ._lock import locked

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Function:
    """One call of a plain function, in a thread, for the task `owner` that waits for it."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], owner: Any = None) -> None:
        self.fn: Callable[..., Any] = fn
        self.args = args
        self._owner = None if owner is None else weakref.ref(owner)
        theirs: Inbox | None = getattr(owner, "_inbox", None)
        self.inbox = Inbox(self, () if theirs is None else tuple(theirs.open_masks()))
        self._inbox: Inbox | None = self.inbox
        self.lock = threading.RLock()  # reentrant: a finalizer that runs in here may send a signal
        self.box: list[Any] = []
        self.error: BaseException | None = None
        self.deferred: list[Callable[[], object]] = []
        self.hit = False  # `Injected` is on its way into the thread
        self.started = False
        self.finished = False  # what it deferred has run, too
        self.ident = 0  # of the thread it runs in
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
    def _parent(self) -> Any:
        """Whose ladder's `time_left()` is."""
        return self.owner

    @property
    def ended(self) -> bool:
        """Whether the function has returned or raised; only what it deferred may still run."""
        return bool(self.box)

    def done(self) -> bool:
        """As `ended`: a block that leaked out of it holds nothing any more."""
        return self.ended

    def get_loop(self) -> Any:
        """An object with `call_later`, for `mask(within=...)`."""
        return self

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Call back after so many seconds, in any thread; returns an object with `cancel()`."""
        return locked(self.lock, self._start_timer, seconds, callback)

    def _start_timer(self, seconds: float, callback: Callable[[], object]) -> threading.Timer:
        self._take_back_the_hit()  # a thread's start takes locks that a signal must not leave locked
        timer = threading.Timer(seconds, callback)
        timer.daemon = True
        timer.start()
        self._hit()
        return timer

    def _mailbox(self) -> Inbox:
        return self.inbox

    def _is_handling(self, signal: Signal) -> bool:
        if self.ident == threading.get_ident():
            return is_handling_now(signal)
        last: Any = sys._current_exceptions().get(self.ident)
        return led_to(last[1] if isinstance(last, tuple) else last, signal)  # a tuple on Python 3.11

    def _look(self) -> None:
        """A block elsewhere has closed: raise what the threshold now admits."""
        locked(self.lock, self._look_and_hit)

    _look_later = _look

    def _look_and_hit(self) -> None:
        self._let_fly()
        self._hit()

    # -- how a signal gets into the function: the edge's part ---------------------------------------------------------

    def inject(self) -> bool:
        """Have `Injected` raised in the function's thread, at its next bytecode. Returns whether that is on its way."""
        return False

    def withdraw(self) -> None:
        """Cancel an `inject` that was not raised yet. Called in the function's thread."""

    def inject_soon(self) -> None:
        """As `_hit`, a moment later: the thread is at the edge of a block, or an exception leaves one."""

    # -- arrivals, in the loop's thread -------------------------------------------------------------------------------

    def receive(self, signal: Signal) -> bool:
        """Take a signal. True if the function takes it: raised soon, merged with one that is, or handled (R8)."""
        return locked(self.lock, self._receive, signal)

    def _receive(self, signal: Signal) -> bool:
        if self.ended:
            return False
        inbox = self.inbox
        delivery = Delivery(signal, signal._target, signal.sender, inbox.task)
        inbox.history.add(delivery)
        passed_on(signal, delivery)
        if any(one.given.origin is signal.origin for one in inbox.delivered):
            delivery.fate = Fate.ABSORBED  # it was pending in the owner, which now passes it on again
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
        return locked(self.lock, self._receive_plain, msg)

    def _receive_plain(self, msg: object) -> bool:
        if self.ended:
            return False
        if self.inbox.masks_plain and not self._plain:
            self.inbox.hold_plain(msg)
        elif not self._plain and self.inbox.in_force() is None:
            self._plain, self._plain_msg = 1, msg
            self._hit()
        return True

    @property
    def in_flight(self) -> bool:
        """Whether a signal or a cancel is about to be raised."""
        return self._plain == 1 or self.inbox.flying is not None

    def _hit(self) -> None:
        if self.in_flight and self.started and not self.hit and not self.ended:
            if is_at_a_blocks_edge(sys._current_frames().get(self.ident)):
                self.inject_soon()
            else:
                self.hit = self.inject()

    def hit_again(self) -> None:
        """Have what is still in flight raised at the next bytecode."""
        locked(self.lock, self._hit)

    def _let_fly(self) -> None:
        inbox = self.inbox
        if inbox.pending and (delivery := inbox.pick()) is not None:
            inbox.launch(delivery)
        if inbox.plain_held and not inbox.masks_plain:
            inbox.plain_held = 0
            self._plain, self._plain_msg = max(self._plain, 1), inbox.plain_msg

    # -- in the function's thread -------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Raise what is in flight, here and now."""
        error = locked(self.lock, self._land)
        if error is not None:
            try:
                raise error
            finally:
                del error

    listen = checkpoint

    def landing(self) -> BaseException:
        """The exception that `Injected` turns into when the interpreter raises it."""
        return locked(self.lock, self._landing, sys._getframe(2))

    def _landing(self, frame: FrameType | None) -> BaseException:
        self.hit = False
        close_the_block_of(frame)
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

    def open(self, block: Any) -> None:
        """Enter a block, unless something is in flight: that is raised. What the block admits is raised in it (R13)."""
        error = locked(self.lock, self._open, block)
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _open(self, block: Any) -> CancelledError | None:
        error, inbox = self._land(), self.inbox
        if error is None:
            inbox.blocks, block.inbox = (*inbox.blocks, block), inbox
            if inbox.pending and (delivery := inbox.pick()) is not None:
                inbox.launch(delivery)
                self.inject_soon()
        return error

    def close(self, block: Any, *, leaving: bool) -> None:
        """End a block. What it held is raised at once, without an await; an exception that leaves it goes first."""
        error = locked(self.lock, self._close, block, leaving)
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _close(self, block: Any, leaving: bool) -> CancelledError | None:
        self._take_back_the_hit()
        self._unlink(block)
        self.inbox.hold_what_was_let_in()
        self._let_fly()
        if not leaving:
            return self._land()
        if self.in_flight:
            self.inject_soon()
        return None

    def _unlink(self, block: Any) -> None:
        """Close `block`, and what leaked inside it: a signal can hit the very first bytecode of an `__exit__`."""
        blocks = self.inbox.blocks
        at = next((at for at, one in enumerate(blocks) if one is block), len(blocks))
        for leaked in blocks[at:]:
            leaked.inbox = None
        self.inbox.blocks = blocks[:at]
        if (timer := getattr(block, "_timer", None)) is not None:
            timer.cancel()

    def has_open(self, block: Block) -> bool:
        """Whether the block is open in this function."""
        return any(one is block for one in self.inbox.blocks)

    # -- the function's life, in its thread ---------------------------------------------------------------------------

    def run(self) -> None:
        """Run the function and what it deferred. Nothing is raised here, and nothing of ours hits the thread later.

        R7: signalled before it begins, the function is not called.
        """
        running.function, self.ident = self, threading.get_ident()
        try:
            try:
                if locked(self.lock, self._begin):
                    # In C: no bytecode of ours comes between the function's return and the filling of the box.
                    self.box.extend(starmap(self.fn, (self.args,)))
                    if not self.box:
                        raise RuntimeError(f"{self!r} raised StopIteration, which a coroutine cannot pass on")
            except BaseException as error:
                if not self.box:
                    self.error = error
                    self.box.append(None)
            locked(self.lock, self._settle)
        except CancelledError:
            locked(self.lock, self._settle)  # it was on its way when the function ended; there is no second one
        self._clean_up()
        running.function = None
        self.finished = True
        self.fn, self.args = _ended, ()  # release the caller's objects
        del self

    def _begin(self) -> bool:
        self.started = not self.in_flight
        return self.started

    def _settle(self) -> None:
        """The function has ended. A signal in flight that it never saw ends it, as it does a task that returns."""
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
    """Takes the place of a function that has ended."""


def close_the_block_of(frame: FrameType | None) -> None:
    """An exception came down in `frame`: if that is the beginning or the end of a block, the block is closed.

    The `with` statement counts the block as not entered, or as left. (CPython 3.11 makes an injected exception only
    in the frame that catches it; there, the end of the next block around closes it.)
    """
    function: Any = running.function
    while frame is not None and frame.f_globals.get("__package__") in _OURS:
        if frame.f_code.co_name in ("__enter__", "__exit__"):
            block: Any = frame.f_locals.get("self")
            if function is not None and isinstance(getattr(block, "inbox", None), Inbox) and function.has_open(block):
                function._unlink(block)
        frame = frame.f_back


def is_at_a_blocks_edge(frame: FrameType | None) -> bool:
    """Whether the thread is just opening or closing a block. A `catch` does not catch what is raised there."""
    while frame is not None and frame.f_globals.get("__package__") in _OURS:
        if frame.f_code.co_name in ("__enter__", "__exit__"):
            return True
        frame = frame.f_back
    return False


_OURS = (__package__, Inbox.__module__.rpartition(".")[0])
