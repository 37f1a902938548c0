"""Rows e and f: stopping very many tasks at once, from the first signal to the moment all are done.

f has one deaf task in a hundred: it swallows what it is sent and waits on, until the Kill. Nothing but sigtask ends
such a task, so f stands beside e. The clock is the loop's own, real one, and its grace is short. Waiting costs no
processor time, which is what is measured. asyncio's loop runs what is ready before a timer that is due, so however long
the others take, they have ended when the Kill comes, and it is checked that they have. uvloop runs timers first: f is
not measured there.
"""

from __future__ import annotations

import asyncio
import contextlib
from importlib import import_module
from typing import Any

from section import Section
from work_signals import wait_for_ever

DEAF_IN = 100
GRACE = 0.05


async def deaf() -> None:
    """Swallows every cancellation, and waits on."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await wait_for_ever()


async def cancel_all(n: int, section: Section) -> None:
    """What a program does without sigtask: cancel each, then wait for all."""
    tasks = [asyncio.create_task(wait_for_ever()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    section.stop()
    assert all(task.cancelled() for task in tasks)


async def stop_all(n: int, section: Section) -> None:
    """`stop()` with the default ladder but its Drain, which is no cancellation, and with its report."""
    sigtask: Any = import_module("sigtask")
    ladder = sigtask.Ladder.parse("terminate=5s,kill")
    tasks = [asyncio.create_task(wait_for_ever()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    report = await sigtask.stop(*tasks, ladder=ladder, reason="the program ends")
    section.stop()
    assert not report.survivors
    assert all(task.cancelled() for task in tasks)


async def stop_deaf(n: int, section: Section) -> None:
    """`stop()` of tasks of which one in a hundred obeys nothing but a Kill."""
    sigtask: Any = import_module("sigtask")
    ladder = sigtask.Ladder((sigtask.Terminate, GRACE), (sigtask.Kill, 10))
    tasks = [asyncio.create_task((wait_for_ever if i % DEAF_IN else deaf)()) for i in range(n)]
    await asyncio.sleep(0)
    section.start()
    report = await sigtask.stop(*tasks, ladder=ladder, reason="the program ends")
    section.stop()
    killed = sum(row.rung == "kill" for row in report.tasks)
    assert not report.survivors
    assert killed == -(-n // DEAF_IN), f"{killed} of {n} were killed"


WORKLOADS = {"stop": cancel_all}
SIGTASK = {"stop": stop_all, "deaf": stop_deaf}
