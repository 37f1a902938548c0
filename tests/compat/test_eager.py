"""Eager tasks (Python 3.12) as other people's code meets them."""

from __future__ import annotations

import asyncio
import sys

import pytest

import sigtask

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs eager tasks")


async def nothing():
    pass


def test_an_eager_task_that_is_done_has_a_repr_and_no_coroutine():
    """`Task.get_coro` of CPython 3.12.1 crashes the process here; ours must not call it."""

    async def main():
        asyncio.get_running_loop().set_task_factory(sigtask.eager_task_factory)
        task = asyncio.create_task(nothing(), name="early bird")
        return task.done(), task.get_coro(), "early bird" in repr(task), task.get_stack()

    assert asyncio.run(main()) == (True, None, True, [])


def test_the_eager_factory_is_known_for_one_as_anyio_knows_it():
    """anyio goes by the factory's code, and takes the maker of a task that starts later out of its closure."""
    factory = sigtask.eager_task_factory
    assert factory.__code__ is asyncio.eager_task_factory.__code__

    async def main():
        task = factory.__closure__[0].cell_contents(nothing(), loop=asyncio.get_running_loop(), name="later")
        assert isinstance(task, sigtask.Task) and not task.done()
        await task

    asyncio.run(main())
