"""`to_thread()`: a plain function in a thread, with the signals of the task that waits for it.

A Drain, and what a mask holds, is pending in the function, too (`requested`). An Interrupt or a Terminate is raised at
its next bytecode. The task waits for the function, so that no work goes on unnoticed. Only a Kill ends the task at
once; the report then names the thread that was left behind.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from asyncio import AbstractEventLoop, Semaphore
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol, TypeVar, TypeVarTuple

from .._core.asking import forwarding
from . import _workers
from ._call import Call, ThreadFunction
from ._callables import check_plain
from ._inside import checkpoint, defer

__all__ = ["Limiter", "checkpoint", "defer", "dismiss_idle", "to_thread"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

LIMIT = 40
"""How many functions run in threads at a time, in one loop, unless a call brings a limiter of its own."""

_limiters: weakref.WeakKeyDictionary[AbstractEventLoop, Semaphore] = weakref.WeakKeyDictionary()


class Limiter(Protocol):
    """What limits the number of threads: an `asyncio.Semaphore`, or anything with these two methods.

    .. versionadded:: 0.1.0
    """

    async def acquire(self) -> Any:
        """Wait for a free place."""

    def release(self) -> Any:
        """Give the place back. It is called in the loop, not always by the task that acquired it."""


async def to_thread(fn: Callable[[*_Ts], _T], *args: *_Ts, limiter: Limiter | None = None) -> _T:
    """Call `fn(*args)` in a thread, wait for it, and return its result.

    The function gets the signals of the waiting task. It runs in a copy of the caller's context, as with
    `asyncio.to_thread`. Inside it, `requested`, `accept`, `mask`, `catch`, `checkpoint`, `defer` and `time_left` work.
    A signal sent to the waiting task does this to the function:

    - a Drain, or what a mask of the task holds, is pending there, too;
    - an Interrupt, a Terminate, or a signal of your own is raised at its next bytecode, unless a mask in it holds it; a
      C call that blocks is finished first;
    - a plain `cancel()` is raised once as a plain `CancelledError`, and not while it handles a signal;
    - a Kill is raised once, through any mask. The task ends at once and leaves the thread behind; the report names it.

    If cancelled or signalled, `to_thread` waits for the function to end. If the function returns a result all the same,
    so does `to_thread`. If it has not started yet, it is never called.

    Args:
        fn: A plain function.
        args: Its arguments. For keyword arguments, give a `functools.partial`.
        limiter: An `asyncio.Semaphore` that limits the number of threads. A place is given back when the function ends,
            not when its task does. Default: 40 functions per loop at a time.

    Returns:
        What `fn` returns.

    Raises:
        TypeError: When `fn` is async or cannot be called, or `limiter` is not one.
        RuntimeError: When the system can start no more threads, or `fn` raised `StopIteration`.
        BaseException: Whatever `fn` raises.

    Example::

        def count(upto):
            return sum(range(upto))

        print(await to_thread(count, 5))  # 10

    .. versionadded:: 0.1.0
    """
    _check(fn, limiter)
    loop = asyncio.get_running_loop()
    if limiter is None:
        limiter = _limiters.get(loop) or _limiters.setdefault(loop, Semaphore(LIMIT))
    await limiter.acquire()
    task = asyncio.current_task()
    function = ThreadFunction(fn, args, task, copy_context(), loop)
    call = Call(function, limiter.release, loop)
    try:
        # First, because the function may start before our next line runs, and ask for its task's signals.
        with forwarding(task, function, masked=True):  # its own blocks decide what it gets
            try:
                _workers.workers.give(function.work)
            except BaseException:
                limiter.release()
                raise
            return await call  # type: ignore[no-any-return]  # what fn returns
    finally:
        del call, function, task  # an exception holds this frame, and these hold the exception


def dismiss_idle() -> None:
    """End the threads that are idle. Without this they end after ten seconds."""
    _workers.workers.dismiss()


def _check(fn: object, limiter: object) -> None:
    if limiter is not None and not (
        inspect.iscoroutinefunction(getattr(limiter, "acquire", None)) and hasattr(limiter, "release")
    ):
        raise TypeError(
            f"limiter is {limiter!r:.200}; give an asyncio.Semaphore, shared by all the calls it is to bound"
        )
    check_plain(
        fn,
        "to_thread()",
        "it would return at once, unrun. Await it here, or asyncio.create_task() it; move what blocks in it into a "
        "plain function",
    )


for _thing in (checkpoint, defer, to_thread):
    _thing.__module__ = "sigtask"
