"""starts a shell with a child of its own and does not care for them"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    child = await asyncio.create_subprocess_shell("sleep 600 & wait")
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)
    print("left behind:", child.returncode is None, flush=True)


asyncio.run(main())
