"""`signal.setitimer()` and a SIGALRM handler, beside a loop"""
# harm: also none, ^C

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])
ticks = []


async def main():
    signal.signal(signal.SIGALRM, lambda signum, frame: ticks.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while len(ticks) < 10:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        before = len(ticks)
        await asyncio.sleep(0.2)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("cleanup: ticks went on:", len(ticks) > before, flush=True)


asyncio.run(main())
