"""a ProcessPoolExecutor of concurrent.futures, used by a loop"""
# harm: also none, TERM 1s TERM

import asyncio
import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor

SECONDS = float(os.environ["SECONDS"])


def quiet():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def work(n):
    time.sleep(0.1)
    return n


async def main(pool):
    loop = asyncio.get_running_loop()
    print(await asyncio.gather(*(loop.run_in_executor(pool, work, n) for n in range(4))), flush=True)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: still works:", await loop.run_in_executor(pool, work, 5), flush=True)


if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), quiet) as pool:
        asyncio.run(main(pool))
    print("cleanup: pool ended", flush=True)
