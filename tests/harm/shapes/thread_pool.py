"""a ThreadPoolExecutor around `asyncio.run()`, with jobs running and waiting"""
# harm: also ^C
# harm: order any

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

started = threading.Barrier(3)


def job(n):
    if n < 2:
        started.wait()
    time.sleep(0.5)
    print("cleanup: job", n, flush=True)


async def main(pool):
    loop = asyncio.get_running_loop()
    jobs = [loop.run_in_executor(pool, job, n) for n in range(4)]
    await loop.run_in_executor(None, started.wait)
    print("ready", flush=True)
    await asyncio.sleep(3600)
    print(jobs)


with ThreadPoolExecutor(2) as pool:
    try:
        asyncio.run(main(pool))
    finally:
        print("cleanup: run is over", flush=True)
