"""Animals that hold the thread or the process: no loop can end them, only the end of the process can (R20, R30)."""

from __future__ import annotations

import asyncio
import threading
import time


async def starts_a_thread() -> None:
    """Start a thread that never ends and is no daemon, so the interpreter waits for it at its exit."""
    threading.Thread(target=threading.Event().wait, name="endless").start()
    await asyncio.sleep(3600)


async def blocks_the_loop() -> None:
    """Block the loop with `time.sleep`."""
    time.sleep(3600)  # noqa: ASYNC251 - this is the habit


async def spins() -> None:
    """Compute for ever, without an await."""
    while True:
        pass
