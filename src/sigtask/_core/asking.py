"""What a task may ask of its own inbox (R12): `requested`, `wait_requested`, `until`; and what works for it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, overload

from ..signals import Signal, level_of
from .around import Outside
from .base_block import nobody_here, warn_of_stock
from .blocks import catch
from .host import ThreadHost, running
from .inbox import Inbox
from .stock import current
from .task import Task

_S = TypeVar("_S", bound=Signal)
_T = TypeVar("_T")


@overload
def requested() -> Signal | None: ...
@overload
def requested(cls: type[_S]) -> _S | None: ...
def requested(cls: type[Signal] = Signal) -> Signal | None:
    """The strongest signal of that class that is pending in the running task, or `None` (R12). It stays pending.
    It works in a function under `to_thread` or `to_process`, too.

    Raises: `RuntimeError` outside of these, `TypeError` for what is no signal class.
    """
    level_of(cls, "requested()", kill=True)
    inbox = _inbox("requested()")
    return inbox.requested(cls) if inbox is not None and inbox.pending else None


@overload
async def wait_requested() -> Signal: ...
@overload
async def wait_requested(cls: type[_S]) -> _S: ...
async def wait_requested(cls: type[Signal] = Signal) -> Signal:
    """Wait until a signal of that class is pending in the running task, and give the strongest; it stays pending (R12).

    Returns at once when there is one. A signal that is thrown ends the wait as it ends any other. When cancelled, it
    leaves nothing behind. It is about the task that calls it: in a task of its own it would wait for its own signals.

    Raises: as `requested`.
    """
    level_of(cls, "wait_requested()", kill=True)
    inbox = _inbox("wait_requested()")
    if inbox is None:
        await asyncio.get_running_loop().create_future()  # nobody can ask a stock task for anything
        raise AssertionError
    while (signal := inbox.requested(cls)) is None:
        entry = (cls, asyncio.get_running_loop().create_future())
        inbox.add_waiter(entry)
        try:
            await entry[1]
        finally:
            inbox.remove_waiter(entry)
    return signal


async def until(cls: type[_S], awaitable: Awaitable[_T]) -> _T | _S:
    """Await something until a signal of that class comes, and give what came: the result or the signal.

        got = await until(Drain, queue.get())
        if isinstance(got, Drain): ...

    Is such a signal pending already, then what was given is not begun. Else the signal interrupts it, as any signal
    interrupts an await, and is taken: the task goes on, with a clean count. Use it where an await that is interrupted
    gives back what it took, as `asyncio.Queue.get` does; not around a read from a server that hands something over and
    forgets it, as redis does for BLPOP (the how-to says what to do there). A task that is awaited gets the signal first
    (R8): to leave it alone, say `asyncio.wait([task])`. A mask around it wins.

    Cancelled, or sent something stronger, it raises that. Raises: `RuntimeError` outside a task; `TypeError` for what
    is no signal class, `ValueError` for `Kill`, and what `awaitable` raises.
    """
    level_of(cls, "until()")
    caught = catch(cls)
    try:
        with caught:
            inbox = caught.inbox
            if inbox is not None and inbox.pending and (delivery := inbox.take(cls)) is not None:
                if asyncio.iscoroutine(awaitable):
                    awaitable.close()
                return delivery.signal  # type: ignore[return-value]  # it is of that class
            return await awaitable
        assert caught.signal is not None
        return caught.signal
    finally:
        inbox = None
        del caught  # what is raised holds this frame, and these the task


def _inbox(call: str) -> Inbox | None:
    host = host_here(call)
    if isinstance(host, ThreadHost):
        host.listen()
    return None if host is None else host._mailbox()


def host_here(call: str) -> Task[Any] | ThreadHost | None:
    """The running task, or the function that has this thread; `None` in a stock task, which is warned of.

    Raises: `RuntimeError` where there is neither.
    """
    task = current()
    if isinstance(task, Task):
        return task
    if task is None and running.function is not None:
        return running.function
    if task is None:
        raise nobody_here(call)
    warn_of_stock(call)
    return None


class forwarding:
    """`with forwarding(task, work):` have `work.hear(signal)` called for each signal pending in the task, now or later.

    Not for what a mask holds, unless `masked`: that is not to reach the task, nor, as a rule, what works for it. Of a
    stock task nothing is heard. A report shows the work, as long as it `stays`.
    """

    __slots__ = ("_entry", "_inbox", "_masked", "_work")

    def __init__(self, task: object, work: Outside, *, masked: bool = False) -> None:
        self._inbox = task._mailbox() if isinstance(task, Task) else None
        self._work = work
        self._masked = masked
        self._entry = (Signal, self)  # stands among those who `wait_requested`, and looks like a future to them

    def __enter__(self) -> None:
        if self._inbox is not None:
            self._inbox.outside = (*self._inbox.outside, self._work)
            self._inbox.add_waiter(self._entry)
            for delivery in self._inbox.pending:
                self.set_result(delivery.signal)

    def __exit__(self, *exc: object) -> None:
        if self._inbox is not None:
            self._inbox.remove_waiter(self._entry)
            if not self._work.stays:
                self._inbox.outside = tuple(one for one in self._inbox.outside if one is not self._work)

    def done(self) -> bool:
        """Never: the next signal is of interest as well."""
        return False

    def set_result(self, signal: Signal) -> None:
        """It is pending in the task."""
        if self._inbox is not None and (self._masked or signal.level > self._inbox.mask_level):
            self._work.hear(signal)


for _fn in (requested, wait_requested, until):
    _fn.__module__ = "sigtask"
