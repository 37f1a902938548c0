"""a handler that calls `sys.exit(5)`, set before `asyncio.run()`"""
# harm: also ^C

import asyncio
import signal
import sys


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("main has ended", flush=True)


def handler(signum, frame):
    print("handler called", flush=True)
    sys.exit(5)


signal.signal(signal.SIGINT, handler)
signal.signal(signal.SIGTERM, handler)
try:
    asyncio.run(main())
except SystemExit as error:
    print("SystemExit", error.code, flush=True)
    raise
finally:
    print("finally", flush=True)
