"""a TaskGroup whose children clean up with awaits"""
# harm: also none, ^C, pairs, STOP 1s CONT 1s INT
# harm: function main
# harm: must TERM: cleanup: main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def child(n):
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1 * n)
        print("cleanup: child", n, flush=True)


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(child(n))
            await asyncio.sleep(0)
            print("ready", flush=True)
        print("all done", flush=True)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
