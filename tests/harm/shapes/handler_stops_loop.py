"""`loop.add_signal_handler(..., loop.stop)`, `run_forever()`, and what comes after it"""
# harm: also ^C

import asyncio
import signal


async def worker():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("worker has ended", flush=True)


async def close():
    await asyncio.sleep(0.1)
    print("closed, worker running:", not task.done(), flush=True)
    task.cancel()
    await asyncio.wait([task])


loop = asyncio.new_event_loop()
for signum in signal.SIGINT, signal.SIGTERM:
    loop.add_signal_handler(signum, loop.stop)
task = loop.create_task(worker())
loop.run_forever()
print("loop has stopped", flush=True)
loop.run_until_complete(close())
loop.close()
print("end", flush=True)
