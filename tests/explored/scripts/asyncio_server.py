"""asyncio: a `start_server()` that is cancelled at its end leaves its socket open, and listening.

Plain asyncio, no sigtask. Cancels after 0, 1, 2 ... turns of the loop.
"""

import asyncio
import platform
import socket
from contextlib import suppress


async def serves(port):
    async def answer(reader, writer):
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        await asyncio.sleep(60)


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def main():
    for turns in range(8):
        port = a_free_port()
        task = asyncio.create_task(serves(port))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            listens = "still listens"
        except ConnectionRefusedError:
            listens = "is closed"
        print(f"CPython {platform.python_version()}, cancelled after {turns} turns: the server {listens}")


asyncio.run(main())
