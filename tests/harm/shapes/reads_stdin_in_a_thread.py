"""`asyncio.to_thread(input)`: asyncio waits for the thread, so plain Python hangs; a second Ctrl-C ends it"""
# harm: also ^C 1s ^C, INT 1s INT
# harm: function main
# harm: grace a thread waits for input

import asyncio


async def main():
    print("ready", flush=True)
    try:
        await asyncio.to_thread(input)
    finally:
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
