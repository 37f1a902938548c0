"""anyio: a `receive()` that gets a native `cancel()` may lose the item that its sender was told was received.

Plain asyncio tasks, no sigtask. anyio's own cancel scopes do not do this.
"""

import asyncio
from contextlib import suppress
from importlib.metadata import version

import anyio


async def tried(turns):
    send, receive = anyio.create_memory_object_stream(0)
    got, sent = [], []

    async def receives():
        got.append(await receive.receive())

    async def sends():
        await send.send("an item")
        sent.append("an item")

    receiver = asyncio.create_task(receives())
    for _ in range(3):
        await asyncio.sleep(0)
    sender = asyncio.create_task(sends())
    for _ in range(turns):
        await asyncio.sleep(0)
    receiver.cancel()
    with suppress(asyncio.CancelledError):
        await receiver
    for _ in range(3):
        await asyncio.sleep(0)
    sender.cancel()
    with suppress(asyncio.CancelledError):
        await sender
    send.close()
    receive.close()
    return sent, got


async def main():
    for turns in range(4):
        sent, got = await tried(turns)
        print(f"anyio {version('anyio')}, cancelled after {turns} turns: sent {sent}, received {got}")


asyncio.run(main())
