"""What many tasks leave behind: spawned, signalled and ended in batches, on stock tasks and on sigtask's."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
import tracemalloc
from pathlib import Path

import sigtask
from sigtask.testing import FakeClockLoop

BATCH = 1000


async def _waits(lot):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        if lot % 3 == 0:
            return  # swallows it
        if lot % 3 == 1:
            await asyncio.sleep(0)  # cleans up
        raise


async def _nests(lot):
    if lot % 5:
        await _waits(lot)
    else:
        await asyncio.create_task(_waits(lot))


def _signal(task, lot):
    if not isinstance(task, sigtask.Task):
        return task.cancel("enough")
    return (task.terminate, task.interrupt, task.drain, task.kill, task.cancel)[lot % 5]("enough")


async def _batch():
    tasks = [asyncio.create_task(_nests(lot)) for lot in range(BATCH)]
    await asyncio.sleep(0)
    for lot, task in enumerate(tasks):
        _signal(task, lot)
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()  # those that only hold a Drain
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # the wake-up that runs now holds them all


def growth(tasks, *, graded, trace=True, until=None):
    """How many bytes are there after so many tasks (or by the time `until`) and were not after the first batches.

    Gives traced bytes, or without `trace`, which takes most of the time, what the process occupies; and the tasks run.
    """

    async def main():
        if graded:
            sigtask.install()
        for _ in range(2):
            await _batch()
        gc.collect()
        before, done = measure(), 0
        while done < tasks and (until is None or time.monotonic() < until):
            await _batch()
            done += BATCH
        gc.collect()
        return measure() - before, done

    measure = resident
    if trace:
        measure = lambda: tracemalloc.get_traced_memory()[0]  # noqa: E731
        tracemalloc.start()
    try:
        with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
            return runner.run(main())
    finally:
        tracemalloc.stop()


def resident():
    """Bytes of memory this process occupies now, or its most where the system does not tell."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return peak()


def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
