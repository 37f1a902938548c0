"""a loop in a daemon thread, the main thread in `while True: time.sleep()`"""
# harm: also ^C, INT 1s INT

import asyncio
import threading
import time


async def job():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: job has ended", flush=True)


loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
future = asyncio.run_coroutine_threadsafe(job(), loop)
try:
    while True:
        time.sleep(0.5)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    future.cancel()
    time.sleep(0.4)
    print("cleanup: main thread", flush=True)
