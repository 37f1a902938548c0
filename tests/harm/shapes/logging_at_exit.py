"""a MemoryHandler that logging flushes at exit, and a `weakref.finalize`"""
# harm: also none, ^C, TERM 1s TERM

import asyncio
import logging
import logging.handlers
import os
import sys
import weakref

SECONDS = float(os.environ["SECONDS"])
log = logging.getLogger("shape")


async def main():
    log.warning("cleanup: kept in memory")
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        log.warning("cleanup: main")


stream = logging.StreamHandler(sys.stdout)
memory = logging.handlers.MemoryHandler(100, logging.CRITICAL, stream)
logging.basicConfig(handlers=[memory], format="%(message)s")
finalizer = weakref.finalize(memory, print, "cleanup: finalized", flush=True)
asyncio.run(main())
