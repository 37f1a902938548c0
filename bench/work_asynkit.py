"""asynkit's part in the rows: `task_interrupt`, which throws any exception into one of asyncio's Python tasks at once.

Its tasks themselves are asyncio's Python ones, which stand in rows a to c under that name.
"""

# ruff: noqa: ASYNC110  # giving the loop turns until it is seen is what is measured

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

from section import Section
from work_signals import FRAMES, REASON, wait_for_ever
from work_tasks import deep

interrupt: Any = import_module("asynkit.experimental.interrupt").task_interrupt


class Told(asyncio.CancelledError):
    """A typed cancellation."""


def to_done(*args: object, body: Callable[[], Coroutine[Any, Any, Any]] = wait_for_ever) -> Any:
    """The workload: n tasks, interrupted one after the other."""

    async def workload(n: int, section: Section) -> None:
        tasks = [asyncio.create_task(body()) for _ in range(n)]
        await asyncio.sleep(0)
        section.start()
        for task in tasks:
            await interrupt(task, Told(*args))
            while not task.done():
                await asyncio.sleep(0)
        section.stop()
        assert all(task.cancelled() for task in tasks)

    return workload


async def handled(n: int, section: Section) -> None:
    """One task that handles n of them; there is no request to take back."""
    count = [0]

    async def victim() -> None:
        for _ in range(n):
            try:
                await wait_for_ever()
            except Told:
                count[0] += 1

    task = asyncio.create_task(victim())
    await asyncio.sleep(0)
    section.start()
    for i in range(n):
        await interrupt(task, Told(REASON))
        while count[0] == i:
            await asyncio.sleep(0)
    section.stop()
    await task


async def stop(n: int, section: Section) -> None:
    """Interrupt each, then wait for all."""
    tasks = [asyncio.create_task(wait_for_ever()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    for task in tasks:
        await interrupt(task, Told("the program ends"))
    await asyncio.wait(tasks)
    section.stop()
    assert all(task.cancelled() for task in tasks)


WORKLOADS = {
    "done": to_done(),
    "reason": to_done(REASON),
    "handled": handled,
    "caught": handled,
    "frames": to_done(REASON, body=lambda: deep(FRAMES - 1, wait_for_ever)),
    "stop": stop,
}
