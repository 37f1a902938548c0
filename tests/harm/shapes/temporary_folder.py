"""an ExitStack with a TemporaryDirectory, a NamedTemporaryFile and a callback, around `asyncio.run()`"""
# harm: also none, ^C, HUP, TERM 30ms TERM

import asyncio
import os
import tempfile
from contextlib import ExitStack

SECONDS = float(os.environ["SECONDS"])


async def main():
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)


with ExitStack() as stack:
    stack.callback(print, "cleanup: stack", flush=True)
    stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(tempfile.NamedTemporaryFile())
    asyncio.run(main())
