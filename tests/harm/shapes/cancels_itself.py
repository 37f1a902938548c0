"""main ends by a CancelledError of its own, with nobody having sent a signal, or with one later"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    asyncio.get_running_loop().call_later(SECONDS, asyncio.current_task().cancel)
    print("ready", flush=True)
    await asyncio.sleep(3600)


try:
    asyncio.run(main())
except asyncio.CancelledError:
    print("CancelledError came out", flush=True)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
