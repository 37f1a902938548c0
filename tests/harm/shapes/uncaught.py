"""nothing catches anything; a `finally` in main and one around `asyncio.run()`"""
# harm: also none, HUP, USR1, ^C, pairs

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    except asyncio.CancelledError:
        print("cleanup: cancelled", flush=True)
        raise


try:
    asyncio.run(main())
    print("run has returned", flush=True)
finally:
    print("cleanup: around run", flush=True)
