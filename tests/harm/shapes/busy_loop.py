"""main is busy and never awaits"""
# harm: also INT 1s INT, ^C 1s ^C
# harm: grace its loop is blocked, and nobody can be told

import asyncio


async def main():
    print("ready", flush=True)
    try:
        while True:
            pass
    finally:
        print("cleanup: main", flush=True)


asyncio.run(main())
