"""`os._exit(4)` in main's `finally`"""
# harm: also none, ^C, HUP

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: main", flush=True)
        os._exit(4)


asyncio.run(main())
