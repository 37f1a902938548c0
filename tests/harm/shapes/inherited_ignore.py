"""SIGINT is ignored from the start, as a shell does for `program &`: it works to its end"""
# harm: ignores INT
# harm: seconds 1.5
# harm: also INT 1s INT, none
# harm: function main

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
