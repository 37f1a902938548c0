"""aiosqlite: a `connect()` that is cancelled leaves the database open, for the garbage collector.

Plain asyncio, no sigtask.
"""

import asyncio
import gc
import warnings
from contextlib import suppress

import aiosqlite


async def connects():
    async with aiosqlite.connect(":memory:") as db:
        await db.execute("select 1")


async def main():
    task = asyncio.create_task(connects())
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.5)


with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    asyncio.run(main())
    gc.collect()
print(f"aiosqlite {aiosqlite.__version__}:", *[one.message for one in found] or ["nothing is left"])
