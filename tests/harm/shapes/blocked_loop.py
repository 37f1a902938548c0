"""`time.sleep()` blocks the loop, where nothing should"""
# harm: also INT 1s INT, ^C
# harm: function main
# harm: grace its loop is blocked, and nobody can be told

import asyncio
import time


async def main():
    print("ready", flush=True)
    try:
        time.sleep(3600)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
