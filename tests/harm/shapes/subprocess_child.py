"""a child by `create_subprocess_exec()`, terminated and waited for in `finally`"""
# harm: also ^C, pairs
# harm: function main
# harm: must TERM: cleanup: child ended with -15

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


async def main():
    child = await asyncio.create_subprocess_exec("sleep", "600")
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        if child.returncode is None:
            child.terminate()
        print("cleanup: child ended with", await child.wait(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
