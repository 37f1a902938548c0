"""a handler for both signals, set by `signal.signal` before `asyncio.run()`: main asks its flag"""
# harm: also ^C, pairs

import asyncio
import signal

told = []


def handler(signum, frame):
    print("handler called for", signal.Signals(signum).name, flush=True)
    told.append(signum)


async def main():
    print("ready", flush=True)
    while not told:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.3)
    print("closed, signals:", len(told), flush=True)


signal.signal(signal.SIGINT, handler)
signal.signal(signal.SIGTERM, handler)
asyncio.run(main())
print("end", flush=True)
