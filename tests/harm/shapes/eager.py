"""a loop with the eager task factory of 3.12, set in main"""
# harm: since 3.12
# harm: also none, ^C, INT 1s INT
# harm: function main
# harm: ways run, own, function

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def child(n):
    try:
        await asyncio.sleep(120)
    finally:
        await asyncio.sleep(0.05 * n)
        print("cleanup: child", n, flush=True)


async def main():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    tasks = [asyncio.create_task(child(n)) for n in range(3)]
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: main, children running:", sum(not task.done() for task in tasks), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
