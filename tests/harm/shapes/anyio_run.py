"""`anyio.run()` with a task group and a shielded cleanup"""
# harm: needs anyio
# harm: also none, ^C, pairs

import asyncio
import os

import anyio

SECONDS = float(os.environ["SECONDS"])


async def child(n):
    try:
        await anyio.sleep(SECONDS)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.1 * n)
        print("cleanup: child", n, flush=True)


async def main():
    try:
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(child, n)
            await asyncio.sleep(0.05)
            print("ready", flush=True)
    finally:
        print("cleanup: main", flush=True)


try:
    anyio.run(main)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
