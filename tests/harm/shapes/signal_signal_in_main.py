"""main sets a SIGTERM handler by `signal.signal`, which ends it through an Event"""
# harm: also TERM 30ms TERM, TERM 1s TERM
# harm: function main

import asyncio
import signal


async def main():
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def handler(signum, frame):
        print("handler called", flush=True)
        loop.call_soon_threadsafe(event.set)

    signal.signal(signal.SIGTERM, handler)
    print("ready", flush=True)
    try:
        await event.wait()
        await asyncio.sleep(0.2)
        print("closed", flush=True)
    except asyncio.CancelledError:
        print("cleanup: cancelled", flush=True)
        raise


if __name__ == "__main__":
    asyncio.run(main())
