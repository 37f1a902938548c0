"""Animals that are many: deep, wide or round."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Coroutine
from typing import Any

MANY = 10_000


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


async def _link(inner: Coroutine[Any, Any, None] | Future[None]) -> None:
    await inner


def deep_coroutines(depth: int = MANY) -> Coroutine[Any, Any, None]:
    """A chain of `depth` coroutines, each awaiting the next.

    CPython counts each as a call: where `sys.getrecursionlimit()` is less than the depth, such a chain ends with a
    `RecursionError` at its first step, in asyncio as here. The C stack of the main thread has room for 10,000, on
    every CPython 3.11 to 3.15, not for 100,000.
    """
    chain = _forever()
    for _ in range(depth):
        chain = _link(chain)
    return chain


async def deep_tasks(depth: int = MANY) -> None:
    """A chain of `depth` tasks, each awaiting the next.

    asyncio's `cancel()` goes down a chain of stock tasks by recursion, and raises `RecursionError` before Python 3.14.
    """
    task = asyncio.create_task(_forever())
    for _ in range(depth - 2):
        task = asyncio.create_task(_link(task))
    await task


async def gathers_a_crowd(count: int = MANY) -> None:
    """Gather so many tasks."""
    await asyncio.gather(*(_forever() for _ in range(count)))


async def sits_in_a_ring(count: int = 3) -> None:
    """Be one of some tasks that await each other in a ring. a plain `cancel()` raises `RecursionError`."""
    me = asyncio.current_task()
    assert me is not None
    task: Future[None] = me
    for _ in range(count - 1):
        task = asyncio.create_task(_link(task))
    await task
