"""`loop.run_forever()`, with the usual clean-up in `finally`: cancel all, gather, shut down generators"""
# harm: also ^C, pairs

import asyncio


async def worker(n):
    if n == 2:
        print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05 * n)
        print("cleanup: worker", n, flush=True)


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
tasks = [loop.create_task(worker(n)) for n in range(3)]
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    print("cleanup: tasks still running:", sum(not task.done() for task in tasks), flush=True)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    print("cleanup: loop closed", flush=True)
