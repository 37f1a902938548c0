"""a SIGHUP handler that reloads; it lives on, and is stopped as any other"""
# harm: also HUP, HUP 1s INT, HUP 1s TERM
# harm: lives HUP
# harm: function main

import asyncio
import functools
import signal


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, functools.partial(print, "reloaded", flush=True))
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
