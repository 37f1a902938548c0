"""between two `asyncio.run()`, in a sleep with a `finally`"""
# harm: also none, ^C, pairs

import asyncio
import os
import time

SECONDS = float(os.environ["SECONDS"])


async def step(n):
    await asyncio.sleep(0.05)
    print("step", n, flush=True)


asyncio.run(step(1))
print("ready", flush=True)
try:
    time.sleep(SECONDS)
finally:
    print("cleanup: between", flush=True)
asyncio.run(step(2))
print("end", flush=True)
