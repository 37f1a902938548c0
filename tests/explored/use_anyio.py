"""anyio: memory object streams, task groups, its locks and limiters."""

import asyncio
from contextlib import asynccontextmanager

import anyio
from uses import Use


class Streams:
    def __init__(self):
        self.send, self.receive = anyio.create_memory_object_stream(0)
        self.lock = anyio.Lock()
        self.limiter = anyio.CapacityLimiter(1)
        self.sent, self.got = [], []


@asynccontextmanager
async def streams():
    made = Streams()
    async with made.send, made.receive:
        yield made


async def passes_on(streams):
    async def sends():
        for number in range(2):
            await streams.send.send(number)
            streams.sent.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sends)
        for _ in range(2):
            streams.got.append(await streams.receive.receive())
            await anyio.sleep(1)


def nothing_is_lost(streams):
    """A sender that was told of no error has been received from."""
    assert streams.sent == streams.got[: len(streams.sent)], f"sent {streams.sent}, got {streams.got}"


async def limits(streams):
    async def works():
        async with streams.limiter, streams.lock:
            await anyio.sleep(1)

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(works)


def all_is_free(streams):
    assert not streams.lock.statistics().locked, "the lock is held"
    assert streams.limiter.borrowed_tokens == 0, f"{streams.limiter.borrowed_tokens} places are taken"


async def shields(streams):
    try:
        await anyio.sleep(1)
    finally:
        with anyio.CancelScope(shield=True):
            await streams.lock.acquire()
            await anyio.sleep(1)
            streams.lock.release()


async def within(streams):
    with anyio.move_on_after(1):
        await anyio.sleep(10)
    await asyncio.sleep(1)


USES = [
    Use("anyio", "memory object stream", passes_on, streams, nothing_is_lost),
    Use("anyio", "`CapacityLimiter` and `Lock`", limits, streams, all_is_free),
    Use("anyio", "a shielded cleanup", shields, streams, all_is_free),
    Use("anyio", "`move_on_after()`", within, streams, all_is_free),
]
