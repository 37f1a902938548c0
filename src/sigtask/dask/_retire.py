"""Workers that retire: what runs there is told, and ends, before Dask moves their data and takes them away.

Dask retires a worker by moving what it has in memory, and starts what runs there anew elsewhere. So its jobs are
brought to an end in between, while the worker takes no new ones:

    retire_workers ──► Dask's, without removing ──► drain: a ladder there ──► Dask's, whole: results move, it leaves
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..ladder import DEFAULT, Ladder
from ..signals import Terminate
from . import _distributed as dask
from ._wire import Message, encoded, ladder_sent

if TYPE_CHECKING:
    from ._scheduler import SchedulerSide

RETIRES = "its worker retires"
SETTLE = 5.0
"""Seconds that Dask has to hear of the ends of jobs whose worker has reported them."""
MOVE = 30.0
"""Seconds for Dask to move the data of a worker whose nanny closes."""


class Retirement:
    """Takes the place of the scheduler's own way to retire workers, and calls it twice, with the drain in between."""

    def __init__(self, side: SchedulerSide) -> None:
        self.ladder: Ladder = DEFAULT
        self._side = side
        self._theirs = dask.take_over_retiring(side.scheduler, self.retire)
        self._drains: dict[str, asyncio.Task[None]] = {}
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        dask.answer(side.scheduler, "sigtask_leaving", self._leaves)
        dask.answer(side.scheduler, "sigtask_left", self._left)

    async def retire(
        self,
        workers: list[str] | None = None,
        *,
        close_workers: bool = False,
        remove: bool = True,
        stimulus_id: str | None = None,
        **which: Any,
    ) -> dict[str, Any]:
        """As Dask's `Scheduler.retire_workers`. One that Dask cannot do without goes on, and takes jobs again."""
        marked = await self._theirs(workers=workers, remove=False, stimulus_id=stimulus_id, **which)
        await self._drained(marked)
        retired: dict[str, Any] = await self._theirs(
            workers=list(marked), close_workers=close_workers, remove=remove, stimulus_id=stimulus_id
        )
        for worker in marked:
            if worker not in retired and worker not in self._leaving:
                dask.resume(self._side.scheduler, worker)
        return retired

    def ended(self, key: str) -> None:
        """Dask knows that the job has ended."""
        if (future := self._awaited.pop(key, None)) is not None and not future.done():
            future.set_result(None)

    # -- a nanny that closes ------------------------------------------------------------------------------------------

    async def _leaves(self, worker: str) -> float:
        """A worker is about to go, whether its data can be moved or not. Returns the seconds to wait for that."""
        if worker not in self._side.scheduler.workers:
            return 0.0
        if worker not in self._leaving:
            task = asyncio.get_running_loop().create_task(self._leave(worker), name=f"sigtask-leave-{worker}")
            self._leaving[worker] = task
            task.add_done_callback(lambda _: self._leaving.pop(worker, None))
        return self.ladder.total + self.ladder.limit + SETTLE + MOVE

    async def _leave(self, worker: str) -> None:
        await self.retire([worker])

    async def _left(self, worker: str) -> None:
        """Wait until that worker can go."""
        if (task := self._leaving.get(worker)) is not None:
            await asyncio.wait([task])

    # -- the drain ----------------------------------------------------------------------------------------------------

    async def _drained(self, workers: Iterable[str]) -> None:
        drains: list[asyncio.Task[None]] = []
        for worker in workers:
            if worker not in self._drains:
                task = asyncio.get_running_loop().create_task(self._drain(worker), name=f"sigtask-drain-{worker}")
                self._drains[worker] = task
                task.add_done_callback(partial(self._drain_is_over, worker))
            drains.append(self._drains[worker])
        if drains:
            await asyncio.wait(drains)  # not awaited themselves: others may wait for the same ones
        for drain in drains:
            drain.result()

    def _drain_is_over(self, worker: str, task: asyncio.Task[None]) -> None:
        del self._drains[worker]

    async def _drain(self, worker: str) -> None:
        """Stop what runs there, in bounded time. What has not begun is left to Dask, to start elsewhere."""
        keys = self._side.ours_at(worker)
        if not keys:
            return
        sender = self._side.scheduler.address
        reason = encoded(Terminate(RETIRES, sender=sender))
        request: Message = {"ladder": ladder_sent(self.ladder), "reason": reason, "sender": sender}
        report = await self._side.ask(worker, keys, uuid4().hex, self.ladder.total, retiring=True, **request)
        unbegun = set() if report is None else set(report["unstarted"])
        begun = [key for key in keys if key not in unbegun]
        if report is not None:
            await self._settled(worker, set(begun).difference(report["left"]))
        still = set(self._side.ours_at(worker)).intersection(begun)  # never to be started elsewhere
        dask.forget(self._side.scheduler, still, "its worker has retired, and it had not ended")

    async def _settled(self, worker: str, keys: set[str]) -> None:
        """Wait until Dask knows that these have ended: a report may be ahead of it."""
        loop = asyncio.get_running_loop()
        waits = {key: loop.create_future() for key in keys.intersection(self._side.ours_at(worker))}
        self._awaited |= waits
        if waits:
            await asyncio.wait(waits.values(), timeout=SETTLE)
        for key in waits:
            self._awaited.pop(key, None)
