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


async def mask(n: int, section: Section) -> None:
    """Of a mask."""
    sigtask: Any = import_module("sigtask")
    mask, terminate = sigtask.mask, sigtask.Terminate
    section.start()
    for _ in range(n):
        with mask(terminate):
            pass
    section.stop()


async def accept(n: int, section: Section) -> None:
    """Of an accept."""
    sigtask: Any = import_module("sigtask")
    accept, drain = sigtask.accept, sigtask.Drain
    section.start()
    for _ in range(n):
        with accept(drain):
            pass
    section.stop()


async def catch(n: int, section: Section) -> None:
    """Of a catch."""
    sigtask: Any = import_module("sigtask")
    catch, interrupt = sigtask.catch, sigtask.Interrupt
    section.start()
    for _ in range(n):
        with catch(interrupt):
            pass
    section.stop()


WORKLOADS = {"mask": shield, "accept": timeout, "catch": timeout}
SIGTASK = {"mask": mask, "accept": accept, "catch": catch}
