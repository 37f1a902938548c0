"""What the model found, each case made small."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from sigtask import Drain, Interrupt, Terminate, catch, mask
from sigtask.testing import turns


async def swallows_one():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return "went on"


@pytest.mark.parametrize("signal", [None, Terminate("all of it")], ids=["plain", "terminate"])
async def test_r23_a_cancelled_gather_whose_children_all_went_on_still_ends(signal):
    async def parent():
        await asyncio.gather(*children)

    children = [asyncio.create_task(swallows_one()) for _ in range(2)]
    task = asyncio.create_task(parent())
    await turns(2)
    assert task.cancel(signal)
    await turns(5)
    assert task.cancelled()
    assert type(task.ended_by) is (Terminate if signal else type(None))
    assert [child.result() for child in children] == ["went on", "went on"]


async def test_r22_a_task_that_awaits_an_ended_one_ends_by_the_same_signal_for_every_awaiter():
    async def late():
        await asyncio.sleep(1)
        await first

    first = asyncio.create_task(asyncio.sleep(3600))
    second = asyncio.create_task(late())
    await turns(1)
    first.terminate("early")
    await asyncio.wait([second])
    for _ in range(3):
        with pytest.raises(Terminate, match="early"):
            await second
    assert type(second.ended_by) is Terminate


async def test_r19_nested_task_groups_do_not_turn_a_kill_into_an_error():
    async def nested():
        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
            for group in (outer, inner):
                group.create_task(asyncio.sleep(3600))
            await asyncio.sleep(3600)

    task = asyncio.create_task(nested())
    await turns(2)
    task.kill("all")
    await turns(3)
    assert task.cancelled()
    assert str(task.ended_by.reason) == "all"


async def test_r14_catch_leaves_a_plain_cancel_to_the_mask_that_holds_it():
    async def careful():
        with mask(Drain, plain=True):
            with catch(Interrupt) as caught:
                await asyncio.sleep(3600)
            seen.append(caught.signal)
            await asyncio.sleep(1)
            seen.append("protected")
        await asyncio.sleep(3600)

    seen = []
    task = asyncio.create_task(careful())
    await turns(1)
    task.cancel()
    task.interrupt()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (type(seen[0]), seen[1:]) == (Interrupt, ["protected"])


async def test_r19_what_a_killed_task_wanted_to_await_can_be_awaited_by_another():
    async def stubborn():
        try:
            await asyncio.sleep(3600)
        finally:
            await future

    async def other():
        return await future

    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(stubborn())
    await turns(1)
    task.kill()
    await asyncio.wait([task])
    waiting = asyncio.create_task(other())
    await turns(1)
    future.set_result("fine")
    assert await waiting == "fine"


async def test_r5_a_signal_that_comes_by_two_ways_in_one_turn_is_in_force():
    async def parent():
        child = asyncio.create_task(asyncio.sleep(3600))
        children.append(child)
        try:
            await asyncio.sleep(3600)
        finally:
            child.cancel()  # R9: what is in force is its cause

    async def awaiting(other):
        await other

    async def gathering(*others):
        await asyncio.gather(*others)

    children = []
    target = asyncio.create_task(parent())
    other = asyncio.create_task(awaiting(target))
    task = asyncio.create_task(gathering(other, target))
    await turns(2)
    task.terminate("why")  # comes to the target by the gather, and by the other
    await asyncio.wait([task, *children])
    assert [delivery.fate.value for delivery in target.history] == ["delivered", "superseded"]
    assert not any(delivery.taken_back for delivery in target.history)
    assert isinstance(children[0].ended_by, Terminate)


async def test_r23_a_signal_whose_request_was_taken_back_in_flight_stands_for_none():
    async def worker():
        with suppress(Terminate):  # its await was cancelled: asyncio throws it all the same
            await asyncio.sleep(3600)
        assert task.cancelling() == 0
        await asyncio.sleep(3600)

    task = asyncio.create_task(worker())
    await turns(1)
    task.terminate("first")
    task.uncancel()
    await turns(3)
    task.interrupt("second")
    with pytest.raises(Interrupt, match="second"):
        await task
