"""`async_timeout` and `asyncio.timeout` around and inside our blocks."""

from __future__ import annotations

import asyncio

import pytest

async_timeout = pytest.importorskip("async_timeout")

from peers import BLOCKS, ended, entered, fates, forever, me, now, started, told  # noqa: E402

from sigtask import Terminate, catch, mask  # noqa: E402

pytestmark = pytest.mark.clock

TIMEOUTS = {"asyncio": asyncio.timeout, "async_timeout": async_timeout.timeout}


@pytest.fixture(params=list(TIMEOUTS))
def timeout(request):
    return TIMEOUTS[request.param]


async def test_a_timeout_around_a_block_changes_nothing(timeout, block):
    assert await fates(lambda: timeout(50), BLOCKS[block]) == told(block)


async def test_a_timeout_inside_a_block_changes_nothing(timeout, block):
    assert await fates(BLOCKS[block], lambda: timeout(50)) == told(block)


@pytest.mark.parametrize("outside", [True, False], ids=["around", "inside"])
async def test_a_timeout_fires_as_it_would_without_the_block(timeout, block, outside):
    scopes = [timeout(5), BLOCKS[block]()]
    first, second = scopes if outside else reversed(scopes)
    with pytest.raises(TimeoutError):
        async with entered(first):
            async with entered(second):
                await forever()
    assert (now(), me().cancelling()) == (5, 0)


@pytest.mark.parametrize("late", [True, False], ids=["after it fired", "before it fires"])
async def test_a_signal_in_the_turn_in_which_a_timeout_fires_is_not_lost(timeout, late):
    async def worker():
        async with timeout(5):
            await forever()

    worker_task = None
    loop = asyncio.get_running_loop()
    if not late:
        loop.call_at(5, lambda: worker_task.terminate("why"))
    worker_task = await started(worker())
    if late:
        loop.call_at(5, worker_task.terminate, "why")
    assert await ended(worker_task) is Terminate


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


async def test_a_masked_signal_is_raised_inside_the_timeout_and_is_no_timeout(timeout):
    async def worker():
        async with timeout(5):
            with mask():
                await asyncio.sleep(1)

    task = await started(worker())
    task.terminate("why")
    assert (await ended(task), now()) == (Terminate, 1)
