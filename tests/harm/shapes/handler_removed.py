"""main sets a handler for both signals and removes it again: the signals have their usual effect"""
# harm: also none, ^C
# harm: function main

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])


async def main():
    loop = asyncio.get_running_loop()
    for signum in signal.SIGINT, signal.SIGTERM:
        loop.add_signal_handler(signum, print, "called, though removed")
        loop.remove_signal_handler(signum)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
