"""anyio: `connect_tcp()` raises a ValueError when the one task that it has connect is cancelled, and it is not.

Plain asyncio, no sigtask. Finds that task among all tasks, as a program does that cancels them at its end.
"""

import asyncio
from importlib.metadata import version

import anyio


async def connects():
    async with await anyio.connect_tcp("127.0.0.1", 9):
        pass


async def main():
    task = asyncio.create_task(connects())
    for _ in range(3):
        await asyncio.sleep(0)
        for child in asyncio.all_tasks() - {task, asyncio.current_task()}:
            child.cancel()
    await asyncio.wait([task])
    found = "it was cancelled" if task.cancelled() else repr(task.exception())
    print(f"anyio {version('anyio')}, its own task cancelled: {found}")


asyncio.run(main())
