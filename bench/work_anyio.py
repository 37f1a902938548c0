"""anyio's part in the rows, on stock asyncio tasks: what `work_scopes` makes of it, and its idle tasks."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import import_module
from typing import Any

from section import Section
from work_scopes import Library
from work_signals import wait_for_ever

anyio: Any = import_module("anyio")
LIBRARY = Library(
    group_of=anyio.create_task_group,
    scope_of=anyio.CancelScope,
    event_of=anyio.Event,
    stream_of=anyio.create_memory_object_stream,
    checkpoint=anyio.lowlevel.checkpoint,
    turn=partial(asyncio.sleep, 0),
    wait_for_ever=wait_for_ever,
)


async def idle(n: int, section: Section) -> None:
    """n tasks of one group, blocked each on a future of its own."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(n)]

    async def body(i: int) -> None:
        await futures[i]

    async with anyio.create_task_group() as tasks:
        section.start()
        for i in range(n):
            tasks.start_soon(body, i)
        await asyncio.sleep(0)
        section.stop()
        for future in futures:
            future.set_result(None)


WORKLOADS = LIBRARY.workloads() | {"idle": idle}
