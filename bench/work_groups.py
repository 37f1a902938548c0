"""quattro's and aiotools' part in the rows: their groups, scopes and stops, on stock asyncio tasks."""

# ruff: noqa: ASYNC110  # giving the loop turns until it is seen is what is measured

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from section import Section
from work_signals import CHILDREN, REASON, tell, wait_for_ever
from work_tasks import TOGETHER, nothing


def _groups(package: str, name: str) -> Any:
    """The workload: groups of a hundred."""

    async def workload(n: int, section: Section) -> None:
        kind: Any = getattr(import_module(package), name)
        section.start()
        for _ in range(n // TOGETHER):
            async with kind() as tasks:
                for _ in range(TOGETHER):
                    tasks.create_task(nothing())
        section.stop()

    return workload


def _tellgroup(package: str, name: str) -> Any:
    """The workload: groups with a thousand children, told by a `cancel` of the task that holds each."""

    async def workload(n: int, section: Section) -> None:
        kind: Any = getattr(import_module(package), name)

        async def holder() -> None:
            async with kind() as tasks:
                for _ in range(min(n, CHILDREN)):
                    tasks.create_task(wait_for_ever())
                await wait_for_ever()

        holders = [asyncio.create_task(holder()) for _ in range(max(1, n // CHILDREN))]
        await tell(holders, lambda task: task.cancel(REASON), section)

    return workload


def _blocks(package: str, name: str, *, is_async: bool = False, **options: Any) -> Any:
    """The workload: entering and leaving such a block."""

    async def workload(n: int, section: Section) -> None:
        kind: Any = getattr(import_module(package), name)
        section.start()
        for _ in range(n):
            with kind(**options):
                pass
        section.stop()

    async def workload_async(n: int, section: Section) -> None:
        kind: Any = getattr(import_module(package), name)
        section.start()
        for _ in range(n):
            async with kind(**options):
                pass
        section.stop()

    return workload_async if is_async else workload


# -- quattro ----------------------------------------------------------------------------------------------------------


async def _quattro_done(n: int, section: Section) -> None:
    """n tasks, a scope in each, told one after the other. It takes no reason, so it is in no row that has one."""
    scope_of: Any = import_module("quattro").CancelScope
    scopes: list[Any] = []

    async def victim() -> None:
        with scope_of() as scope:
            scopes.append(scope)
            await wait_for_ever()

    tasks = [asyncio.create_task(victim()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    for task, scope in zip(tasks, scopes, strict=True):
        scope.cancel()
        while not task.done():
            await asyncio.sleep(0)
    section.stop()


async def _quattro_stop(n: int, section: Section) -> None:
    quattro: Any = import_module("quattro")
    with quattro.CancelScope() as scope:
        async with quattro.TaskGroup() as tasks:
            for _ in range(n):
                tasks.create_task(wait_for_ever())
            await asyncio.sleep(0)
            section.start()
            scope.cancel()
            await wait_for_ever()
    section.stop()


# -- aiotools ---------------------------------------------------------------------------------------------------------


async def _aiotools_stop(n: int, section: Section) -> None:
    aiotools: Any = import_module("aiotools")
    tasks = [asyncio.create_task(wait_for_ever()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    await aiotools.cancel_and_wait(tasks)
    section.stop()
    assert all(task.cancelled() for task in tasks)


async def _aiotools_reason(n: int, section: Section) -> None:
    aiotools: Any = import_module("aiotools")
    tasks = [asyncio.create_task(wait_for_ever()) for _ in range(n)]
    await asyncio.sleep(0)
    section.start()
    for task in tasks:
        await aiotools.cancel_and_wait(task, REASON)
    section.stop()


QUATTRO = {
    "group": _groups("quattro", "TaskGroup"),
    "done": _quattro_done,
    "tellgroup": _tellgroup("quattro", "TaskGroup"),
    "stop": _quattro_stop,
    "accept": _blocks("quattro", "CancelScope"),
    "catch": _blocks("quattro", "CancelScope"),
}
AIOTOOLS = {
    "group": _groups("aiotools", "TaskScope"),
    "reason": _aiotools_reason,
    "tellgroup": _tellgroup("aiotools", "TaskScope"),
    "stop": _aiotools_stop,
    "mask": _blocks("aiotools", "ShieldScope", is_async=True),
    "accept": _blocks("aiotools", "TaskScope", is_async=True, timeout=10),
    "catch": _blocks("aiotools", "TaskScope", is_async=True, timeout=10),
}
