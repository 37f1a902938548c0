"""`asyncio.run(..., debug=True)`"""
# harm: also none, ^C, pairs

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def child():
    try:
        await asyncio.sleep(120)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: child", flush=True)


async def main():
    task = asyncio.create_task(child())
    print("ready", asyncio.get_running_loop().get_debug(), flush=True)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main, child running:", not task.done(), flush=True)


asyncio.run(main(), debug=True)
