"""R12, R16: `until()`, and `catch` as a way to let a Drain in."""

from __future__ import annotations

import asyncio

import pytest
from tasks import end_of, fates, forever, me, started

from sigtask import Drain, Fate, Interrupt, Terminate, catch, mask, requested, until
from sigtask.testing import turns


async def worker(queue, did):
    while True:
        got = await until(Drain, queue.get())
        if isinstance(got, Drain):
            return got.reason
        did.append(got)
        await turns(2)


async def test_r12_until_gives_what_it_waits_for():
    assert await until(Drain, asyncio.sleep(0, "done")) == "done"


async def test_r12_until_gives_the_drain_that_comes_meanwhile_and_the_task_goes_on():
    task = await started(worker(asyncio.Queue(), []))
    task.drain("closing time")
    assert await end_of(task) == "closing time"
    assert fates(task) == [(Drain, Fate.DELIVERED)] and task.history[0].taken_back
    assert task.cancelling() == 0


async def test_r12_until_begins_nothing_when_one_is_pending():
    """A worker whose queue is never empty takes nothing new, and what it did not take stays there."""
    queue, did = asyncio.Queue(), []
    for n in range(10):
        queue.put_nowait(n)
    task = await started(worker(queue, did))
    await turns(1)
    task.drain("closing time")
    assert await end_of(task) == "closing time"
    assert did == list(range(10 - queue.qsize())) and 1 <= len(did) <= 2
    assert fates(task) == [(Drain, Fate.HANDLED)]


async def test_r12_until_loses_no_item_in_a_storm():
    async def puts():
        for n in range(300):
            queue.put_nowait(n)
            if n % 3 == 0:
                task.drain()
            await turns(n % 4)

    async def takes():
        while len(got) < 300:
            item = await until(Drain, queue.get())
            if not isinstance(item, Drain):
                got.append(item)

    queue, got = asyncio.Queue(), []
    task = await started(takes())
    await puts()
    await end_of(task)
    assert got == list(range(300))


async def test_r12_until_lets_a_stronger_signal_through():
    task = await started(until(Drain, forever()))
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r14_a_mask_around_until_wins():
    async def masked():
        with mask(Drain):
            return await until(Drain, turns(3)), requested(Drain).reason

    task = await started(masked())
    task.drain("later")
    assert await end_of(task) == (None, "later")


async def test_r12_until_raises_what_it_awaits_raises():
    async def fails():
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await until(Drain, fails())


async def test_r16_catch_lets_in_what_it_names():
    with catch(Drain) as drain:
        assert me().threshold == Drain.level
        asyncio.get_running_loop().call_soon(me().drain, "why")
        await forever()
    assert drain and drain.signal.reason == "why"
    assert me().threshold == Interrupt.level


async def test_r16_catch_is_false_when_nothing_came():
    with catch(Drain) as drain:
        await turns(1)
    assert not drain and drain.signal is None


async def test_r16_catch_of_a_stronger_class_lets_no_drain_in():
    with catch(Terminate):
        assert me().threshold == Interrupt.level
        me().drain()
        await turns(2)
    assert requested(Drain)
