"""exit codes of workers that are terminated, killed, interrupted, or end by themselves, by fork and spawn"""
# harm: also none
# harm: ways run, uvloop
# harm: grace it is between two waits, and ends what it does

import asyncio
import multiprocessing
import os
import signal
import sys
import time

SECONDS = float(os.environ["SECONDS"])


def work(started, how):
    if how == "exit":
        sys.exit(4)
    if how == "ignores":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started.set()
    time.sleep(600)


async def serve(started):
    started.set()
    await asyncio.sleep(600)


def work_in_a_loop(started, how):
    asyncio.run(serve(started))


def code_of(context, target, how):
    started = context.Event()
    worker = context.Process(target=target, args=(started, how))
    worker.start()
    if how != "exit":
        started.wait()
    if how in ("terminate", "ignores"):
        worker.terminate()
        worker.join(0.3)
    if how in ("kill", "ignores"):
        worker.kill()
    worker.join()
    return worker.exitcode


async def main():
    for method in "fork", "spawn":
        context = multiprocessing.get_context(method)
        for how in "terminate", "kill", "ignores", "exit":
            print(method, how, code_of(context, work, how), flush=True)
        print(method, "loop", code_of(context, work_in_a_loop, "terminate"), flush=True)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup:", code_of(multiprocessing.get_context("fork"), work, "terminate"), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
