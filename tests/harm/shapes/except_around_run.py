"""`except KeyboardInterrupt` around `asyncio.run()`, which cleans up in a second `asyncio.run()`"""
# harm: also none, ^C, INT 30ms INT

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def serve():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: serve has ended", flush=True)


async def clean():
    await asyncio.sleep(0.1)
    print("cleanup: second run", flush=True)


try:
    asyncio.run(serve())
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
    asyncio.run(clean())
print("cleanup: after", flush=True)
