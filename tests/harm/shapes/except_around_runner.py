"""`except KeyboardInterrupt` around `Runner.run()`, with a second `Runner.run()` in it"""
# harm: also none, ^C, pairs

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def serve():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: serve has ended", flush=True)


async def clean():
    await asyncio.sleep(0.1)
    print("cleanup: second run", flush=True)


with asyncio.Runner() as runner:
    try:
        runner.run(serve())
    except KeyboardInterrupt:
        print("Ctrl-C seen", flush=True)
        runner.run(clean())
print("cleanup: after", flush=True)
