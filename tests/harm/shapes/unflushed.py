"""prints without flushing, before the signal and in its cleanup"""
# harm: also none, ^C, pairs
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    print("cleanup: in the buffer before")
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: in the buffer after")


if __name__ == "__main__":
    asyncio.run(main())
