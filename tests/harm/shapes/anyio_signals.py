"""anyio's `open_signal_receiver()`, which cancels the scope around the work"""
# harm: needs anyio
# harm: also ^C, TERM 1s TERM

import signal

import anyio


async def receive(scope):
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        print("ready", flush=True)
        async for signum in signals:
            print("received", signum.name, flush=True)
            scope.cancel()
            return


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(receive, group.cancel_scope)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.2)
            print("work has ended", flush=True)
    print("end", flush=True)


anyio.run(main)
