"""main's `finally` fails with a ValueError"""
# harm: also none, ^C
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: about to fail", flush=True)
        raise ValueError("the disk is full")


if __name__ == "__main__":
    asyncio.run(main())
