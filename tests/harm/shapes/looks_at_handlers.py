"""prints what `signal.getsignal()` says, before the loop, in main, and after it"""
# harm: also none, ^C
# harm: ways run, uvloop

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])


def show(where):
    for signum in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        handler = signal.getsignal(signum)
        names = {
            signal.SIG_DFL: "SIG_DFL",
            signal.SIG_IGN: "SIG_IGN",
            signal.default_int_handler: "default_int_handler",
        }
        print(where, signum.name, names.get(handler, "another"), flush=True)


async def main():
    show("in main")
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)


show("before")
try:
    asyncio.run(main())
finally:
    show("cleanup: after")
