"""main ends by a handler of its own and returns a value: what comes after `run()` takes longer than the ladder"""
# harm: ways own

import asyncio
import signal
import time


async def main():
    told = asyncio.Event()
    for signum in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(signum, told.set)
    print("ready", flush=True)
    await told.wait()
    return 42


print("run() returned", asyncio.run(main()), flush=True)
time.sleep(6)
print("saved", flush=True)
