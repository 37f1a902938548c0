"""the SIGTERM handler raises KeyboardInterrupt, which the program catches around `asyncio.run()`"""
# harm: also ^C, TERM 1s TERM

import asyncio
import signal


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("main has ended", flush=True)


def handler(signum, frame):
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
print("end", flush=True)
