"""`asyncio.timeout()` and `wait_for()` around the work, and one around the cleanup"""
# harm: also none, ^C
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def work():
    print("ready", flush=True)
    try:
        await asyncio.sleep(120)
    finally:
        async with asyncio.timeout(1):
            await asyncio.sleep(0.1)
        print("cleanup: work", flush=True)


async def main():
    try:
        async with asyncio.timeout(90):
            await asyncio.wait_for(work(), SECONDS)
    except TimeoutError:
        print("timeout", flush=True)
    except asyncio.CancelledError:
        print("cleanup: main", flush=True)
        raise


if __name__ == "__main__":
    asyncio.run(main())
