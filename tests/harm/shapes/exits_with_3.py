"""`sys.exit(3)` in main, after a SIGTERM handler has told it"""
# harm: also ^C, TERM 30ms TERM
# harm: function main

import asyncio
import signal
import sys


async def main():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    print("ready", flush=True)
    try:
        await told.wait()
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main", flush=True)
    print("told", flush=True)
    sys.exit(3)


if __name__ == "__main__":
    asyncio.run(main())
