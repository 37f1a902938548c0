"""prints the handlers and the wakeup fd before and after `asyncio.run()`: all is as it was"""
# harm: also none, ^C

import asyncio
import os
import signal

SECONDS = float(os.environ["SECONDS"])


def show(where):
    handlers = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    usual = [signal.default_int_handler, signal.SIG_DFL, mine]
    wakeup = signal.set_wakeup_fd(-1)
    print(where, [handler == was for handler, was in zip(handlers, usual, strict=True)], wakeup, flush=True)


def mine(signum, frame):
    print("mine", flush=True)


async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("cleanup: main", flush=True)


signal.signal(signal.SIGUSR1, mine)
show("before")
try:
    asyncio.run(main())
    show("after")
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
