"""`trio.run()` with a nursery; what it prints on stderr is compared, too"""
# harm: needs trio
# harm: also none, ^C, INT 1s INT
# harm: ways run
# harm: stderr

import os

import trio

SECONDS = float(os.environ["SECONDS"])


async def child(n):
    try:
        await trio.sleep(SECONDS)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.1 * n)
        print("cleanup: child", n, flush=True)


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, 1)
        nursery.start_soon(child, 2)
        await trio.sleep(0.05)
        print("ready", flush=True)


try:
    trio.run(main)
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    print("cleanup: around run", flush=True)
