"""a SIGUSR1 handler by `signal.signal`, and faulthandler for SIGUSR2"""
# harm: also USR1, USR2, USR1 1s INT, USR1 1s TERM
# harm: lives USR1, USR2
# harm: function main

import asyncio
import faulthandler
import signal


async def main():
    signal.signal(signal.SIGUSR1, lambda signum, frame: print("statistics", flush=True))
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2)
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
