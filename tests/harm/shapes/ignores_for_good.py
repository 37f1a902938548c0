"""SIGINT and SIGTERM are ignored before the loop: it works to its end"""
# harm: seconds 1.2
# harm: also ^C, TERM 1s TERM

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)
    print("done", flush=True)


signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
asyncio.run(main())
print("end", flush=True)
