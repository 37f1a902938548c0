"""Animals that will not hear: each has one bad habit, and code like it is in somebody's program."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Future
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from ..._core.blocks import mask
from ..._core.task import Task
from ...signals import Signal, Terminate

HOUR = 3600.0


class DeafFuture(Future[Any]):
    """A future that will not be cancelled."""

    def cancel(self, msg: Any = None) -> bool:
        """Refuse."""
        return False


async def swallows_cancelled_error() -> None:
    """Swallow every `CancelledError`, and go on."""
    while True:
        with suppress(CancelledError):
            await asyncio.sleep(HOUR)


async def swallows_base_exception() -> None:
    """Swallow everything there is, and go on."""
    while True:
        with suppress(BaseException):
            await asyncio.sleep(HOUR)


async def never_rests() -> None:
    """Loop on `sleep(0)`, so that it is always about to run, and swallow every `CancelledError`."""
    while True:
        with suppress(CancelledError):
            await asyncio.sleep(0)


async def retries_in_finally() -> None:
    """Wait politely; once cancelled, retry in `finally` for ever."""
    try:
        await asyncio.sleep(HOUR)
    finally:
        while True:
            with suppress(CancelledError):
                await asyncio.sleep(HOUR)


async def awaits_a_deaf_stock_task() -> None:
    """Await a task of asyncio's own class that swallows every `CancelledError`. It goes when this animal is gone."""
    loop = asyncio.get_running_loop()
    gone: Future[None] = loop.create_future()
    me = asyncio.current_task()
    assert me is not None
    me.add_done_callback(lambda _: gone.set_result(None))
    await asyncio.Task(_deaf_until(gone), loop=loop)


async def _deaf_until(gone: Future[None]) -> None:
    while not gone.done():
        with suppress(CancelledError):
            await asyncio.wait([gone])


async def awaits_a_deaf_future() -> None:
    """Await a future whose `cancel()` returns `False`."""
    await DeafFuture(loop=asyncio.get_running_loop())


async def shields_itself() -> None:
    """Do its work in a task of its own behind `asyncio.shield`, and take up waiting for it again when cancelled."""
    work = asyncio.create_task(asyncio.sleep(HOUR))
    while not work.done():
        with suppress(CancelledError):
            await asyncio.shield(work)


async def masks_for_ever() -> None:
    """Mask every signal that can be masked, plain `cancel()` too, and never come out."""
    with mask(Terminate, plain=True):
        while True:  # noqa: ASYNC110 - this is the habit
            await asyncio.sleep(HOUR)


async def hoards_a_lock(lock: asyncio.Lock | None = None) -> None:
    """Hold a lock, and swallow every `CancelledError` in there."""
    async with lock or asyncio.Lock():
        await swallows_cancelled_error()


async def iterates_a_deaf_generator() -> None:
    """Iterate over an async generator that swallows every `CancelledError` and never yields."""
    async for _ in _deaf_generator():
        pass


async def _deaf_generator() -> AsyncIterator[None]:
    await swallows_cancelled_error()
    yield


async def iterates_a_generator_that_yields_in_finally() -> None:
    """Iterate over an async generator that yields in its `finally`, which makes `aclose()` a `RuntimeError`."""
    async with aclosing(_yields_in_finally()) as generator:
        async for _ in generator:
            await asyncio.sleep(HOUR)


async def _yields_in_finally() -> AsyncGenerator[str, None]:
    try:
        while True:
            yield "an item"
    finally:
        yield "one more"


async def replaces_the_exception() -> None:
    """Put a fresh `CancelledError` in the place of the one that came: its class and its reason are lost."""
    try:
        await asyncio.sleep(HOUR)
    except CancelledError:
        raise CancelledError("somebody cancelled me") from None


async def raises_in_cleanup() -> None:
    """Fail in its `finally`."""
    try:
        await asyncio.sleep(HOUR)
    finally:
        raise OSError("the disk is full")


async def breeds() -> None:
    """Create a child in every turn of the loop and never stop, whatever is thrown."""
    litter: set[asyncio.Task[Any]] = set()
    while True:
        with suppress(CancelledError):
            child = asyncio.create_task(asyncio.sleep(HOUR), name=f"child {len(litter)}")
            litter.add(child)
            await asyncio.sleep(0)


async def fights_back() -> None:
    """Swallow every signal, and send a `Terminate` to the task it came from."""
    while True:
        try:
            await asyncio.sleep(HOUR)
        except Signal as signal:
            for killer in asyncio.all_tasks():
                if killer.get_name() == signal.sender and isinstance(killer, Task):
                    killer.terminate("you first")


async def uncancels() -> None:
    """Swallow every `CancelledError`, and take back every request with `uncancel()`."""
    me = asyncio.current_task()
    assert me is not None
    while True:
        with suppress(CancelledError):
            await asyncio.sleep(HOUR)
        while me.uncancel():
            pass
