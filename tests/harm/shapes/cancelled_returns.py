"""main takes the CancelledError and returns a value"""
# harm: also none, ^C

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        print("cleanup: closed in order", flush=True)
    return "value"


if __name__ == "__main__":
    print("cleanup: run gave", asyncio.run(main()), flush=True)
