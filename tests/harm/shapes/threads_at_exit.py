"""a thread that is no daemon, told in main's `finally`, and an atexit handler"""
# harm: also none, ^C
# harm: function main

import asyncio
import atexit
import os
import threading
import time

SECONDS = float(os.environ["SECONDS"])
stop = threading.Event()


def work():
    stop.wait()
    time.sleep(0.3)
    print("cleanup: thread has ended", flush=True)


async def main():
    atexit.register(print, "cleanup: atexit", flush=True)
    threading.Thread(target=work).start()
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        stop.set()
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
