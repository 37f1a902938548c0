"""a `sys.excepthook` and a `threading.excepthook` of its own"""
# harm: also none, ^C

import asyncio
import os
import sys
import threading

SECONDS = float(os.environ["SECONDS"])


def hook(kind, error, trace):
    print("hook:", kind.__name__, trace.tb_frame.f_code.co_name, flush=True)


async def main():
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)
    raise LookupError("of the program itself")


sys.excepthook = hook
threading.excepthook = lambda args: print("thread hook:", args.exc_type.__name__, flush=True)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
asyncio.run(main())
