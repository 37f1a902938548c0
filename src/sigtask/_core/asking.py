"""What a task may ask about its signals (R12): `requested`, `wait_requested`, `until`; and forwarding them to work."""

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
    """The strongest pending signal of that class in the running task, or `None`. The signal stays pending.

    It also works in a function under `to_thread` or `to_process`. In a stock task it warns and returns `None`.

    Args:
        cls: The signal class to ask for. Default: any.

    Raises:
        TypeError: For something that is not a signal class.
        RuntimeError: Outside a task and such a function.

    Example::

        async def worker():
            while not requested(Drain):
                await asyncio.sleep(0.01)
            print("done:", requested(Drain).reason)

        task = create_task(worker())
        await asyncio.sleep(0)
        task.drain("closing")
        await task  # done: closing

    .. versionadded:: 0.1.0
    """
    level_of(cls, "requested()", kill=True)
    inbox = _inbox("requested()")
    return inbox.requested(cls) if inbox is not None and inbox.pending else None


@overload
async def wait_requested() -> Signal: ...
@overload
async def wait_requested(cls: type[_S]) -> _S: ...
async def wait_requested(cls: type[Signal] = Signal) -> Signal:
    """Wait until a signal of that class is pending in the running task, and return the strongest. It stays pending.

    If one is pending already, it returns at once. Call it in the task whose signals you mean: wrapped in a task of its
    own, it waits for signals to that one.

    If cancelled, or if a stronger signal is thrown, it raises that and has no effect.

    Args:
        cls: The signal class to wait for. Default: any.

    Raises:
        TypeError: For something that is not a signal class.
        RuntimeError: Outside a task.

    Example::

        async def server():
            signal = await wait_requested(Drain)
            print("closing:", signal.reason)

        task = create_task(server())
        await asyncio.sleep(0)
        task.drain("maintenance")
        await task  # closing: maintenance

    .. versionadded:: 0.1.0
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
    """Await something until a signal of that class comes. Return the result, or the signal.

    If such a signal is pending already, it is returned at once and the awaitable is not started. Otherwise it
    interrupts the await, as any signal does, and is then taken: the task goes on.

    Use it for an await that can be interrupted without loss, such as `asyncio.Queue.get`. Do not use it for a read from
    a server that hands over an item and forgets it, such as redis' BLPOP. If you await a task, that task gets the
    signal first; to leave it alone, use `until(cls, asyncio.wait([task]))`. A `mask` around it wins.

    If cancelled, or sent something stronger, it raises that.

    Args:
        cls: The signal class to wait for, weaker than `Kill`.
        awaitable: What to await.

    Raises:
        TypeError: For something that is not a signal class.
        ValueError: For `Kill`.
        RuntimeError: Outside a task.
        Exception: Whatever `awaitable` raises.

    Example::

        async def worker(queue):
            while True:
                item = await until(Drain, queue.get())
                if isinstance(item, Drain):
                    return
                print("item:", item)

        queue = asyncio.Queue()
        queue.put_nowait("tea")
        task = create_task(worker(queue))
        await asyncio.sleep(0.01)  # item: tea
        task.drain()
        await task

    .. versionadded:: 0.2.0
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
        del caught  # the exception holds this frame, and these variables hold the task


def _inbox(call: str) -> Inbox | None:
    host = host_here(call)
    if isinstance(host, ThreadHost):
        host.listen()
    return None if host is None else host._mailbox()


def host_here(call: str) -> Task[Any] | ThreadHost | None:
    """The running task, or the function that has this thread; `None` in a stock task, after a warning.

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
        self._entry = (Signal, self)  # it is in the list of waiters, and has the methods of a future

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
