"""`os.fork()` from main in a loop: the child has no loop and ends by the default action"""
# harm: also none
# harm: order any
# harm: function main

import asyncio
import os
import signal
import time

SECONDS = float(os.environ["SECONDS"])


async def main():
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(600)
        finally:
            os._exit(9)
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        print("cleanup: child ended with", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
