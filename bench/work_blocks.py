"""Row g: entering and leaving a block, n times; what is in it does nothing.

`mask` stands beside what protects code from a cancellation (`asyncio.shield`, shielded scopes), `accept` and `catch`
beside what turns one into the end of a block (`asyncio.timeout`, scopes).
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from section import Section
from work_tasks import nothing


async def shield(n: int, section: Section) -> None:
    """`asyncio.shield`, of a coroutine that does nothing."""
    section.start()
    for _ in range(n):
        await asyncio.shield(nothing())
    section.stop()


async def timeout(n: int, section: Section) -> None:
    """`asyncio.timeout`."""
    section.start()
    for _ in range(n):
        async with asyncio.timeout(10):  # noqa: ASYNC100  # an empty block is what is measured
            pass
    section.stop()


def _block(name: str, signal: str) -> Any:
    """The workload: such a block of sigtask's, for that signal."""

    async def workload(n: int, section: Section) -> None:
        sigtask: Any = import_module("sigtask")
        block, asked = getattr(sigtask, name), getattr(sigtask, signal)
        section.start()
        for _ in range(n):
            with block(asked):
                pass
        section.stop()

    return workload


WORKLOADS = {"mask": shield, "accept": timeout, "catch": timeout}
SIGTASK = {
    "mask": _block("mask", "Terminate"),
    "accept": _block("accept", "Drain"),
    "catch": _block("catch", "Interrupt"),
}
