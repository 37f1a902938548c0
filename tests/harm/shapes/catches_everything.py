"""`except BaseException` around `asyncio.run()`, which logs and goes on"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main", flush=True)


try:
    asyncio.run(main())
except BaseException:
    print("cleanup: logged", flush=True)
print("cleanup: end", flush=True)
