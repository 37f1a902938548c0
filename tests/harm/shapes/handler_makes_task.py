"""the handler makes a task that cancels all others, gathers them and stops the loop"""
# harm: also ^C, TERM 30ms TERM, TERM 1s TERM

import asyncio
import signal


async def worker(n):
    if n == 2:
        print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1 * n)
        print("worker", n, "has ended", flush=True)


async def shutdown(signum):
    print("shutdown by", signum.name, flush=True)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    asyncio.get_running_loop().stop()


started = set()
loop = asyncio.new_event_loop()
for signum in signal.SIGINT, signal.SIGTERM:
    loop.add_signal_handler(signum, lambda signum=signum: started.add(loop.create_task(shutdown(signum))))
workers = [loop.create_task(worker(n)) for n in range(3)]
try:
    loop.run_forever()
finally:
    loop.close()
    print("loop closed, shutdowns:", len(started), flush=True)
