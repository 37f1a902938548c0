"""The standard library's own: locks, queues, timeouts, streams, each where it has to wait."""

import asyncio
from contextlib import asynccontextmanager, suppress

from uses import Use


class Thing:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.places = asyncio.Semaphore(1)
        self.ready = asyncio.Condition()
        self.queue = asyncio.Queue(1)
        self.barrier = asyncio.Barrier(2)
        self.is_ready = False
        self.got = []


def beside(partner):
    """A state with a task at work beside it."""

    @asynccontextmanager
    async def setup():
        thing = Thing()
        task = asyncio.create_task(partner(thing), name="partner")
        await asyncio.sleep(0)
        try:
            yield thing
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return setup


async def holds_lock(thing):
    for _ in range(5):
        async with thing.lock:
            await asyncio.sleep(1)


async def uses_lock(thing):
    async with thing.lock:
        await asyncio.sleep(1)


async def holds_place(thing):
    for _ in range(5):
        async with thing.places:
            await asyncio.sleep(1)


async def uses_place(thing):
    async with thing.places:
        await asyncio.sleep(1)


async def makes_ready(thing):
    for _ in range(50):
        await asyncio.sleep(1)
        async with thing.ready:
            thing.is_ready = not thing.is_ready
            thing.ready.notify_all()
            await asyncio.sleep(0.1)


async def waits_until_ready(thing):
    async with thing.ready:
        await thing.ready.wait_for(lambda: thing.is_ready)
        await asyncio.sleep(0)


async def produces(thing):
    for number in range(3):
        await asyncio.sleep(1)
        await thing.queue.put(number)


async def consumes(thing):
    while len(thing.got) < 3:
        thing.got.append(await thing.queue.get())


async def consumes_within(thing):
    while len(thing.got) < 3:
        with suppress(TimeoutError):
            thing.got.append(await asyncio.wait_for(thing.queue.get(), 1))


async def nothing_is_lost(thing):
    """What was produced was got, or is still there."""
    async with asyncio.timeout(100):
        while len(thing.got) < 3:
            thing.got.append(await thing.queue.get())
    assert thing.got == [0, 1, 2], f"got {thing.got}"


async def meets(thing):
    with suppress(asyncio.BrokenBarrierError):
        while True:
            async with thing.barrier:
                await asyncio.sleep(1)


async def meets_once(thing):
    async with thing.barrier:
        await asyncio.sleep(0)


async def nobody_is_in_the_barrier(thing):
    assert thing.barrier.n_waiting <= 1


async def nobody(thing):
    await asyncio.sleep(0)


async def within(thing):
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
    await asyncio.sleep(1)


async def in_a_group(thing):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(uses_lock(thing))
        tasks.create_task(uses_lock(thing))


@asynccontextmanager
async def echo():
    async def serve(reader, writer):
        with suppress(OSError):
            writer.write(await reader.readline())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def talks(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"hello\n")
        await writer.drain()
        assert await reader.readline() == b"hello\n"
    finally:
        writer.close()


async def serves(thing):
    async def answer(reader, writer):
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0):
        await asyncio.sleep(1)


NO_REUSE = {"reuse": False}
USES = [
    Use("asyncio", "`Lock`, contended", uses_lock, beside(holds_lock)),
    Use("asyncio", "`Semaphore`, contended", uses_place, beside(holds_place)),
    Use("asyncio", "`Condition.wait_for()`", waits_until_ready, beside(makes_ready)),
    Use("asyncio", "`Queue.get()` from a producer", consumes, beside(produces), nothing_is_lost, NO_REUSE),
    Use("asyncio", "`wait_for(queue.get())`", consumes_within, beside(produces), nothing_is_lost, NO_REUSE),
    Use("asyncio", "`Barrier`", meets_once, beside(meets), nobody_is_in_the_barrier),
    Use("asyncio", "`timeout()` in `timeout()`", within, beside(nobody)),
    Use("asyncio", "`TaskGroup` and a `Lock`", in_a_group, beside(holds_lock)),
    Use("asyncio", "`start_server()` and its end", serves, beside(nobody)),
    Use("asyncio", "streams: a line and its echo", talks, echo, options={"real_time": True}),
]
