"""a commit under `asyncio.shield()` in main's `finally`, finished although the wait for it is cancelled"""
# harm: also ^C, pairs
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def commit():
    await asyncio.sleep(0.3)
    print("cleanup: committed", flush=True)


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.shield(commit())
        print("cleanup: closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
