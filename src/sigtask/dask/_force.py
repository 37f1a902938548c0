"""What is done when signals do not help: the nanny kills the worker process, and the report names the other jobs in it.

A worker counts as dead only when its nanny has confirmed it. If the nanny does not answer in time, the worker is "not
confirmed dead"; the scheduler then removes it, so that whatever still runs there finds its connection closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from distributed import Scheduler

from . import _distributed as dask
from ._wire import Message

POLITE = 0.2
"""Seconds that the worker process has to close by itself, when its nanny is about to kill it."""
WITHIN = 5.0
"""Seconds that a nanny has to answer."""
SHOWN = 20
"""How many bystanders a note names."""


class Force:
    """The Kill rung of one stop: `kill` is its name, `None` when the ladder has none."""

    def __init__(self, scheduler: Scheduler, kill: str | None) -> None:
        self._scheduler = scheduler
        self._kill = kill
        self._nannies: dict[str, str | None] = {}

    def remember(self, worker: str) -> None:
        """Remember the nanny of this worker: when the worker has left, the scheduler no longer knows it."""
        self._nannies[worker] = dask.nanny_of(self._scheduler, worker)

    async def end(self, worker: str, rows: list[Message], left: set[str]) -> bool:
        """End what the ladder has left there, and add that to `rows`. Returns whether it is done."""
        if self._kill is None:
            return False
        dead, note = await self._end(worker, left)
        for row in rows:
            if row["name"] in left and not row.get("descendant"):
                self._tell(row, dead, note)
        return dead

    async def without_report(
        self, worker: str, keys: list[str], acknowledged: bool, silent: str | None
    ) -> list[Message]:
        """The rows of a worker's jobs when it has not reported: it left, it cannot be told, or it does not answer."""
        if silent is not None:
            dead, note = False, f"it could not be told: {silent}"
        elif worker not in self._scheduler.workers:
            dead, note = await self._is_dead(worker)
        elif self._kill is None:
            said = "did not report in time" if acknowledged else "does not answer"
            dead, note = False, f"the worker {said}, and the ladder has no Kill: not confirmed dead"
        else:
            dead, note = await self._end(worker, set(keys))
        rows: list[Message] = [{"name": key, "note": f"at {worker}"} for key in keys]
        for row in rows:
            self._tell(row, dead, note)
        return rows

    def _tell(self, row: Message, dead: bool, note: str) -> None:
        row["ended"] = "ended with the process" if dead else "still running"
        row["rung"] = self._kill if dead else None
        row["note"] = "; ".join(filter(None, [row.get("note"), note]))

    async def _end(self, worker: str, victims: set[str]) -> tuple[bool, str]:
        """Have that worker's process killed. Returns whether it is known to be dead, and a note."""
        if worker not in self._scheduler.workers:
            return await self._is_dead(worker)
        nanny = dask.nanny_of(self._scheduler, worker)
        if nanny is None:
            return False, "it goes on: its worker has no nanny, which alone could kill the process"
        others = _bystanders(*dask.on_worker(self._scheduler, worker, victims))
        dask.forget(self._scheduler, victims, "killed with its worker process")  # first: never to be started elsewhere
        try:
            await dask.kill_process(self._scheduler, nanny, POLITE, WITHIN)
        except Exception as error:  # of any kind: the nanny's own come over the wire
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            await self._count_out(worker)
            return False, f"not confirmed dead: its nanny {nanny} did not say so within {WITHIN:g} s ({why}){others}"
        return True, f"its worker process was killed by the nanny {nanny}{others}"

    async def _count_out(self, worker: str) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                await dask.drop_worker(self._scheduler, worker)
        except TimeoutError:
            return  # a plugin of somebody else's takes its time; the connection is closed already

    async def _is_dead(self, worker: str) -> tuple[bool, str]:
        """The worker has left the cluster: what its nanny says of the process."""
        nanny = self._nannies.get(worker)
        if nanny is None:
            return False, "not confirmed dead: its worker has left the cluster, and has no nanny to ask"
        try:
            await dask.is_dead(self._scheduler, nanny, worker, WITHIN)
        except Exception as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            return False, f"not confirmed dead: its worker has left the cluster, and its nanny did not say so ({why})"
        return True, "its worker process is dead, as its nanny says"


def _bystanders(running: list[str], alone: list[str]) -> str:
    """The other jobs that a kill ends."""
    parts: list[Any] = []
    if running:
        parts.append(f"; with it went {_some(running)} (Dask starts its own tasks again, a job of sigtask's is lost)")
    if alone:
        parts.append(f"; with it went the results of {_some(alone)}")
    return "".join(parts) or "; nothing else ran there"


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
