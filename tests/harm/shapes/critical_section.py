"""both signals are ignored around a critical section, and handled as before after it"""
# harm: seconds 0.8
# harm: also none, ^C, INT 30ms INT, TERM 30ms TERM
# harm: function main

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])


async def main():
    before = [(signum, signal.signal(signum, signal.SIG_IGN)) for signum in (signal.SIGINT, signal.SIGTERM)]
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
        print("the section is whole", flush=True)
    finally:
        for signum, handler in before:
            signal.signal(signum, handler)
    await asyncio.sleep(0.2)
    print("end", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
