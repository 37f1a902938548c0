"""a loop in a background thread that feeds a queue, the main thread in `queue.get()`"""
# harm: also none, ^C

import asyncio
import os
import queue
import threading

SECONDS = float(os.environ["SECONDS"])


async def feed():
    items.put("ready")
    try:
        await asyncio.sleep(SECONDS)
        items.put("end")
    finally:
        print("cleanup: feeder has ended", flush=True)


items = queue.Queue()
thread = threading.Thread(target=asyncio.run, args=(feed(),), daemon=True)
thread.start()
try:
    while (item := items.get()) != "end":
        print(item, flush=True)
    thread.join()
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
