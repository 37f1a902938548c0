"""work in `asyncio.to_thread()` that is waited for at the end of `asyncio.run()`"""
# harm: also ^C, INT 30ms INT

import asyncio
import time


def write():
    print("ready", flush=True)
    time.sleep(1)
    print("cleanup: written to the end", flush=True)


async def main():
    try:
        await asyncio.to_thread(write)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    finally:
        print("cleanup: around run", flush=True)
