"""`os.fork()`: the child runs a loop of its own, the parent passes its SIGTERM on and waits"""
# harm: also ^C
# harm: order any

import asyncio
import os
import signal
import sys


async def serve():
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    print("ready", flush=True)
    await told.wait()
    await asyncio.sleep(0.1)
    print("child drained", flush=True)


def on_term(signum, frame):
    print("parent told", flush=True)
    os.kill(child, signal.SIGTERM)


child = os.fork()
if not child:
    asyncio.run(serve())
    sys.exit(6)
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGINT, on_term)
_, status = os.waitpid(child, 0)
print("child ended with", os.waitstatus_to_exitcode(status), flush=True)
