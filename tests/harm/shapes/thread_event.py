"""a loop in a daemon thread, the main thread in `Event.wait()`, and nothing that catches"""
# harm: also none, ^C, HUP

import asyncio
import os
import threading

SECONDS = float(os.environ["SECONDS"])


async def job(done):
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)
    print("job done", flush=True)
    done.set()


done = threading.Event()
threading.Thread(target=asyncio.run, args=(job(done),), daemon=True).start()
done.wait()
print("end", flush=True)
