"""background tasks that are left to `asyncio.run()`'s closing cancel-all, each with a cleanup that awaits"""
# harm: also none, ^C, pairs
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def worker(n):
    try:
        await asyncio.sleep(SECONDS + 60)
    finally:
        await asyncio.sleep(0.05 * n)
        print("cleanup: worker", n, flush=True)


async def main():
    workers = [asyncio.create_task(worker(n)) for n in range(4)]
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: main, workers running:", sum(not w.done() for w in workers), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
