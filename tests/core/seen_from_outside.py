"""A process that `test_seen_from_outside` looks at: tasks in every state. It stops itself (SIGSTOP) to be read.

`stock` leaves sigtask out, `states` stops once, `churn` at every turn while hundreds of tasks come and go.
"""

import asyncio
import os
import signal
import sys

kind, mode = sys.argv[1:]
if kind == "ours":
    import sigtask


async def sleeps():
    await asyncio.sleep(3600)


async def waits():
    await sleeps()


async def in_a_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeps(), name="child-1")
        group.create_task(waits(), name="child-2")


async def masked():
    with sigtask.mask(sigtask.Terminate):
        await sleeps()


async def stubborn():
    while True:
        try:
            await sleeps()
        except BaseException:
            pass


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


def start(name, body):
    return asyncio.create_task(body(), name=name)


async def states():
    kept = [start("asleep", waits), start("group", in_a_group), start("pending", stubborn)]
    if kind == "ours":
        kept += [start("masked", masked), start("killed", stubborn), start("to be killed", stubborn)]
        await turns(3)
        kept[3].terminate("held")
        kept[4].kill("over")
        await turns(3)
    await turns(2)
    kept += [start("never started", waits)]
    if kind == "ours":
        kept[2].terminate("in flight")
        kept[5].kill("in flight")
    stop()


async def churn():
    kept = [start(f"asleep-{i}", waits) for i in range(100)]
    for turn in range(10_000):
        kept += [asyncio.create_task(turns(i % 5), name="short") for i in range(100)]
        if kind == "ours":
            for i, task in enumerate(kept[100::7]):
                task.send_signal((sigtask.Kill, sigtask.Terminate)[i % 2])
        del kept[100 : 100 + turn % 3 * 50]
        await turns(1)
        stop()


async def main():
    if kind == "ours":
        sigtask.install()
    await {"states": states, "churn": churn}[mode]()


asyncio.run(main())
