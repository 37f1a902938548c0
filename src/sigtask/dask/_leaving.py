"""Workers that are told to leave: their nanny closes, or a SIGTERM comes. Both ask the scheduler to retire them."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

from distributed import Nanny, NannyPlugin, Worker

from . import _distributed as dask

WITHIN = 5.0
"""Seconds that the scheduler has to say how long it may take."""


class NannySide(NannyPlugin):
    """sigtask's plugin of Dask's nannies: as one closes, its worker's jobs are drained first."""

    name = "sigtask"

    async def teardown(self, nanny: Nanny) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # Dask awaits it
        """Dask calls it, and waits, before the worker process is told to go. Always ends, with or without an answer."""
        worker = nanny.worker_address
        if worker is None or not dask.nanny_closes(nanny):
            return
        scheduler: Any = nanny.scheduler
        try:
            async with asyncio.timeout(WITHIN):
                within: float = await scheduler.sigtask_leaving(worker=worker)
            async with asyncio.timeout(within):
                await scheduler.sigtask_left(worker=worker)
        except (OSError, TimeoutError):
            return  # the scheduler is gone, or hangs: the worker terminates its jobs as it closes


def retire_on_sigterm(worker: Worker) -> None:
    """Let a SIGTERM to a worker process retire the worker. Only under a nanny, which does not use SIGTERM itself."""
    alone = threading.current_thread() is threading.main_thread()
    if worker.nanny is None or not alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    loop = asyncio.get_running_loop()
    going: list[asyncio.Task[None]] = []

    def told() -> None:
        loop.remove_signal_handler(signal.SIGTERM)  # a second one ends the process at once
        # Its nanny starts another one, as it does for one that dies, unless the nanny itself is closing.
        going.append(loop.create_task(worker.close_gracefully(restart=True, reason="SIGTERM"), name="sigtask-sigterm"))

    try:
        loop.add_signal_handler(signal.SIGTERM, told)
    except NotImplementedError:  # Windows has no SIGTERM that one could be told by
        return
