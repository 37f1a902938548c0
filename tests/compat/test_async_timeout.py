"""`async_timeout` and `asyncio.timeout` around and inside our blocks."""

from __future__ import annotations

import asyncio

import pytest

async_timeout = pytest.importorskip("async_timeout")

from peers import ended, forever, me, now, started  # noqa: E402
from scopes import (  # noqa: E402, F401
    test_a_deadline_fires_as_it_would_without_the_block,
    test_a_scope_around_a_block_changes_nothing,
    test_a_scope_inside_a_block_changes_nothing,
    test_a_signal_in_the_turn_of_a_deadline_is_not_lost,
)

from sigtask import Terminate, catch, mask  # noqa: E402

pytestmark = pytest.mark.clock

TIMEOUTS = {"asyncio": asyncio.timeout, "async_timeout": async_timeout.timeout}
SCOPES = {name: lambda make=make: make(50) for name, make in TIMEOUTS.items()}
FIRING = {name: (make, TimeoutError) for name, make in TIMEOUTS.items()}


@pytest.fixture(params=list(TIMEOUTS))
def timeout(request):
    return TIMEOUTS[request.param]


async def test_a_timeout_in_the_cleanup_of_a_signal_fires_and_leaves_the_signal(timeout):
    async def worker():
        try:
            await forever()
        finally:
            with pytest.raises(TimeoutError):
                async with timeout(5):
                    await forever()
            counts.append(me().cancelling())

    counts = []
    task = await started(worker())
    task.terminate("why")
    assert (await ended(task), counts, now()) == (Terminate, [1], 5)


async def test_a_caught_signal_leaves_the_timeout_armed(timeout):
    with pytest.raises(TimeoutError):
        async with timeout(5):
            with catch(Terminate):
                me().terminate()
                await forever()
            await forever()
    assert (now(), me().cancelling()) == (5, 0)


async def test_a_masked_signal_that_comes_inside_the_timeout_is_no_timeout(timeout):
    async def worker():
        async with timeout(5):
            with mask():
                await asyncio.sleep(1)
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert (await ended(task), now()) == (Terminate, 1)
