"""a handler that closes politely at the first signal, and calls `os._exit(7)` at the second"""
# harm: also ^C, pairs
# harm: function main

import asyncio
import os
import signal

told = []


def handler(event):
    told.append(event)
    print("signal", len(told), flush=True)
    event.set()
    if len(told) == 2:
        os._exit(7)


async def main():
    event = asyncio.Event()
    for signum in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(signum, handler, event)
    print("ready", flush=True)
    await event.wait()
    await asyncio.sleep(1.4)
    print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
