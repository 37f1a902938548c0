"""httpx: `aiter_bytes()` of a `stream()` that is cancelled is left open, for the garbage collector.

Plain asyncio, no sigtask. Counts the async generators that nobody has closed when the task has ended.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from http_server import served

left = []


async def reads(client, url):
    async with client.stream("GET", url) as response:
        async for _ in response.aiter_bytes(2):
            await asyncio.sleep(0)


async def main():
    sys.set_asyncgen_hooks(finalizer=lambda generator: left.append(generator.__qualname__))
    async with served() as url, httpx.AsyncClient(trust_env=False) as client:
        for turns in range(40):
            task = asyncio.create_task(reads(client, url))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    print(f"httpx {httpx.__version__}, left open:", *sorted(set(left)) or ["nothing"])


asyncio.run(main())
