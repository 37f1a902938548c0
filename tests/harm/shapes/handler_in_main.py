"""main sets `loop.add_signal_handler` for both signals, and ends by it"""
# harm: also ^C, pairs
# harm: function main

import asyncio
import signal


def told(name, event):
    print("handler called for", name, flush=True)
    event.set()


async def main():
    event = asyncio.Event()
    for signum in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(signum, told, signum.name, event)
    print("ready", flush=True)
    await event.wait()
    await asyncio.sleep(0.2)
    print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
