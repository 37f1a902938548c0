"""three loops in threads, told by the main thread, which waits for them in `finally`"""
# harm: also none, ^C
# harm: order any

import asyncio
import os
import threading

SECONDS = float(os.environ["SECONDS"])
started = threading.Barrier(4)
events = []


async def job(n):
    stop = asyncio.Event()
    events.append((asyncio.get_running_loop(), stop))
    await asyncio.to_thread(started.wait)
    try:
        await asyncio.wait_for(stop.wait(), SECONDS)
        print("cleanup: asked politely", n, flush=True)
    except TimeoutError:
        print("done", n, flush=True)
    finally:
        await asyncio.sleep(0.05 * n)
        print("cleanup: job", n, flush=True)


threads = [threading.Thread(target=asyncio.run, args=(job(n),)) for n in range(3)]
for thread in threads:
    thread.start()
started.wait()
print("ready", flush=True)
try:
    for thread in threads:
        thread.join()
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
    for loop, event in events:
        loop.call_soon_threadsafe(event.set)
finally:
    for thread in threads:
        thread.join()
    print("cleanup: end", flush=True)
