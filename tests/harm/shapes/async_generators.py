"""an async generator, left suspended, whose `finally` awaits: `asyncio.run()` closes it at its end"""
# harm: also none, ^C, INT 1s INT
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def numbers():
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: generator", flush=True)


async def main():
    generator = numbers()
    print(await anext(generator), flush=True)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
