"""a loop in a background thread, the main thread in `future.result()`"""
# harm: also none, ^C

import asyncio
import os
import threading

SECONDS = float(os.environ["SECONDS"])


async def job():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: job has ended", flush=True)


loop = asyncio.new_event_loop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
future = asyncio.run_coroutine_threadsafe(job(), loop)
try:
    future.result()
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    future.cancel()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    print("cleanup: main thread", flush=True)
