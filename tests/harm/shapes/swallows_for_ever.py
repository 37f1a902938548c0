"""main swallows every CancelledError and goes on: plain Python cannot end it by Ctrl-C"""
# harm: also ^C, INT 1s INT
# harm: function main
# harm: grace a task refuses, and is given the time to think better of it

import asyncio


async def main():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


if __name__ == "__main__":
    asyncio.run(main())
