"""drains by a handler of its own, puts the old one back and raises the signal again, as uvicorn does"""
# harm: also ^C, pairs

import asyncio
import signal


async def serve():
    captured, told, loop = [], asyncio.Event(), asyncio.get_running_loop()

    def handler(signum, frame):
        captured.append(signum)
        loop.call_soon_threadsafe(told.set)

    before = [(signum, signal.signal(signum, handler)) for signum in (signal.SIGINT, signal.SIGTERM)]
    print("ready", flush=True)
    await told.wait()
    await asyncio.sleep(0.3)
    print("drained", flush=True)
    for signum, old in before:
        signal.signal(signum, old)
    for signum in reversed(captured):
        signal.raise_signal(signum)


async def main():
    try:
        await serve()
        await asyncio.sleep(0.1)
    finally:
        print("cleanup: around serve", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    finally:
        print("cleanup: around run", flush=True)
