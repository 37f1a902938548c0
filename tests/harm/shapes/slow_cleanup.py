"""a cleanup in four steps that takes 0.8 s, in main and in a task that main awaits"""
# harm: also ^C, pairs
# harm: function main
# harm: must TERM: cleanup: main

import asyncio


async def steps(name):
    try:
        for n in range(4):
            await asyncio.sleep(0.2)
            print("cleanup:", name, "step", n, flush=True)
    except BaseException as error:
        print("torn:", name, type(error).__mro__[-3].__name__, flush=True)
        raise


async def worker():
    try:
        await asyncio.sleep(3600)
    finally:
        await steps("worker")


async def main():
    task = asyncio.create_task(worker())
    print("ready", flush=True)
    try:
        await task
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
