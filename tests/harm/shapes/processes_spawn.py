"""multiprocessing workers by spawn, each with a loop of its own, terminated and joined in `finally`"""
# harm: also none, ^C, TERM 1s TERM
# harm: order any
# harm: ways run, uvloop
# harm: grace TERM 1s TERM: the second cuts its `finally`, and at its exit Python waits for the workers

import asyncio
import multiprocessing
import os
import time

SECONDS = float(os.environ["SECONDS"])


async def serve(started, n):
    started.wait()
    try:
        await asyncio.sleep(600)
    finally:
        print("cleanup: worker", n, flush=True)


def work(started, n):
    try:
        asyncio.run(serve(started, n))
    except KeyboardInterrupt:
        print("worker", n, "saw Ctrl-C", flush=True)


def main():
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(3)
    workers = [context.Process(target=work, args=(started, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    started.wait()
    print("ready", flush=True)
    try:
        workers[0].join(SECONDS)
    finally:
        time.sleep(1)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
        print("cleanup: workers ended:", sum(worker.exitcode is not None for worker in workers), flush=True)


if __name__ == "__main__":
    main()
