"""after `asyncio.run()`: a last piece of work, with `except KeyboardInterrupt` around it"""
# harm: also none, ^C, pairs

import asyncio
import os
import time

SECONDS = float(os.environ["SECONDS"])


async def main():
    await asyncio.sleep(0.05)
    print("main has ended", flush=True)


asyncio.run(main())
print("ready", flush=True)
try:
    time.sleep(SECONDS)
    print("saved", flush=True)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
    time.sleep(0.2)
    print("saved in part", flush=True)
