"""multiprocessing workers by fork, with a `finally`, that the parent terminates and joins in its own"""
# harm: also none, ^C, pairs
# harm: order any
# harm: grace TERM 1s TERM: the second cuts its `finally`, and at its exit Python waits for the workers

import asyncio
import multiprocessing
import os
import time

SECONDS = float(os.environ["SECONDS"])


def work(started, n):
    try:
        started.wait()
        time.sleep(600)
    except KeyboardInterrupt:
        print("worker", n, "saw Ctrl-C", flush=True)
    finally:
        print("cleanup: worker", n, flush=True)


async def main(workers, started):
    started.wait()
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(1.2)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
        print("cleanup: workers ended:", sum(worker.exitcode is not None for worker in workers), flush=True)


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    started = context.Barrier(3)
    workers = [context.Process(target=work, args=(started, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    asyncio.run(main(workers, started))
