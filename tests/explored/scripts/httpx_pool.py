"""httpx: a `get()` that is cancelled while it connects may keep its place in the pool for good.

Plain asyncio, no sigtask. Cancels after 1, 2, 3 ... turns of the loop; prints after which the one connection was lost.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from http_server import served


async def is_lost(url, turns):
    limits = httpx.Limits(max_connections=1)
    options = {"limits": limits, "timeout": httpx.Timeout(5, pool=0.5), "trust_env": False}
    async with httpx.AsyncClient(**options) as client:
        task = asyncio.create_task(client.get(url))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        try:
            await client.get(url)
        except httpx.PoolTimeout:
            return True
    return False


async def main():
    async with served() as url:
        lost = [turns for turns in range(30) if await is_lost(url, turns)]
    print(f"httpx {httpx.__version__}: the connection was lost after", *lost or ["none"], "turns")


asyncio.run(main())
