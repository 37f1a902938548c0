"""one `asyncio.Runner`, used twice: the signal comes in the second run"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def first():
    return asyncio.create_task(second_half())


async def second_half():
    try:
        await asyncio.sleep(SECONDS + 60)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: task of the first run", flush=True)


async def second():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: second run", flush=True)


with asyncio.Runner() as runner:
    task = runner.run(first())
    runner.run(second())
