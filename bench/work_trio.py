"""trio's part in the rows, on trio's own loop: what `work_scopes` makes of it, and its idle tasks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from section import Section
from work_scopes import Library

trio: Any = import_module("trio")
LIBRARY = Library(
    group_of=trio.open_nursery,
    scope_of=trio.CancelScope,
    event_of=trio.Event,
    stream_of=trio.open_memory_channel,
    checkpoint=trio.lowlevel.checkpoint,
    turn=trio.lowlevel.checkpoint,
    wait_for_ever=trio.sleep_forever,
)


async def idle(n: int, section: Section) -> None:
    """n tasks of one nursery, asleep for ever."""
    async with trio.open_nursery() as tasks:
        section.start()
        for _ in range(n):
            tasks.start_soon(trio.sleep_forever)
        await trio.lowlevel.checkpoint()
        section.stop()
        tasks.cancel_scope.cancel()


WORKLOADS = LIBRARY.workloads() | {"idle": idle}
