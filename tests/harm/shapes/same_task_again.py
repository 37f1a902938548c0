"""`except KeyboardInterrupt` asks main by an Event, and calls `run_until_complete()` on the same task again"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main(stop):
    print("ready", flush=True)
    try:
        await asyncio.wait_for(stop.wait(), SECONDS)
        print("asked politely", flush=True)
        await asyncio.sleep(0.2)
    except TimeoutError:
        print("not asked", flush=True)
    except asyncio.CancelledError:
        print("cancelled, where nobody should", flush=True)
        raise
    return "result"


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
stop = asyncio.Event()
task = loop.create_task(main(stop))
try:
    print(loop.run_until_complete(task), flush=True)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
    stop.set()
    print(loop.run_until_complete(task), flush=True)
finally:
    loop.close()
    print("cleanup: loop closed", flush=True)
