"""Counts that must stay flat while tasks are spawned, signalled and ended: `python tests/props/leaks.py`.

A C twin that forgets a reference, or gives one back twice, shows here: in the counts of what every task touches, in
the number of objects the garbage collector knows, and in the blocks in use. The counts are taken between rounds that
are all alike, after a first one in which caches fill. A round has a thousand tasks or more.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys

import sigtask
from sigtask import Terminate
from sigtask._core import factory
from sigtask._core.stock import get_shim
from sigtask._core.task import FreshTask, Task

ROUNDS = 5
TOGETHER = 500
SLACK = 2_500
"""What may have come and not gone in the end: the counts themselves, timers, and what the interpreter keeps to use
again, up to 2,000 tuples of a size. How many of these there were at once is chance. One lost per task is far more."""


async def obeys():
    await asyncio.sleep(100)


async def swallows():
    try:
        await asyncio.sleep(100)
    except Terminate:
        await asyncio.sleep(0)


async def awaits_one():
    await asyncio.create_task(swallows())


async def ends():
    pass


async def batch(n):
    kinds = (obeys, swallows, awaits_one, ends)
    tasks = [asyncio.create_task(kinds[i % 4](), name="n" if i % 8 > 3 else None) for i in range(n)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in tasks:
        task.terminate("leak")
    await asyncio.wait(tasks)
    for wrong in (7, None):
        try:
            sigtask.task_factory(asyncio.get_running_loop(), wrong)
        except TypeError:
            pass


def counts(loop):
    gc.collect()
    things = [FreshTask, Task, shim_type, ends.__code__, loop, factory.adopt, factory.iscoroutine, asyncio.Task, "n"]
    return [len(gc.get_objects()), sys.getallocatedblocks(), *map(sys.getrefcount, things)]


async def main(n):
    loop = asyncio.get_running_loop()
    seen = []
    for _ in range(ROUNDS + 1):
        for _ in range(max(1, n // (ROUNDS + 1) // TOGETHER)):
            await batch(TOGETHER)
        seen.append(counts(loop))
    return seen


async def _shim_type():
    return type(get_shim(sigtask.Task(ends())))


shim_type = asyncio.run(_shim_type())

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    options = parser.parse_args()
    with asyncio.Runner() as runner:
        sigtask.install(runner.get_loop())
        rows = runner.run(main(options.tasks))
    print(f"{sigtask.implementation}, {shim_type.__name__}: objects, blocks, and references to what every task touches")
    for row in rows:
        print(*(f"{count:8}" for count in row))
    grown = [max(0, b - a) for a, b in zip(rows[1], rows[-1], strict=True)]
    print("grown   ", *(f"{count:8}" for count in grown[1:]))
    sys.exit(max(grown) > SLACK)
