"""it still imports, and its loop has not begun"""
# harm: also ^C, HUP, pairs

import time

print("ready", flush=True)
time.sleep(5)  # a large library

import asyncio  # noqa: E402


async def main():
    print("main runs", flush=True)


asyncio.run(main())
