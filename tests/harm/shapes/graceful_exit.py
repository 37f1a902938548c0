"""a handler in the loop that raises GracefulExit, a SystemExit, as aiohttp's does"""
# harm: also ^C

import asyncio
import signal


class GracefulExit(SystemExit):
    code = 1


def handler():
    print("handler called", flush=True)
    raise GracefulExit


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("main has ended", flush=True)


loop = asyncio.new_event_loop()
for signum in signal.SIGINT, signal.SIGTERM:
    loop.add_signal_handler(signum, handler)
task = loop.create_task(main())
try:
    loop.run_until_complete(task)
except (GracefulExit, KeyboardInterrupt) as error:
    print("came out:", type(error).__name__, flush=True)
finally:
    print("main running:", not task.done(), flush=True)
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    print("end", flush=True)
