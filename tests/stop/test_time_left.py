"""R27: a target reads how much time it has, and asks for more."""

from __future__ import annotations

import asyncio

import pytest
from tasks import forever, now, started

from sigtask import Drain, Kill, Ladder, Terminate, extend, stop, time_left, wait_requested
from sigtask.testing import turns

pytestmark = pytest.mark.clock


async def cleans_up(cleanup):
    try:
        await forever()
    except Terminate:
        await cleanup()
        raise


FIRM = Ladder((Terminate, 5), (Kill, 1))


async def stopped(cleanup, ladder=FIRM):
    """Stop a task that runs `cleanup` on Terminate."""
    return await stop(await started(cleans_up(cleanup)), ladder=ladder)


# -- time_left() ------------------------------------------------------------------------------------------------------


async def test_r27_a_target_sees_the_seconds_until_the_next_rung():
    seen = []

    async def cleanup():
        for _ in range(3):
            seen.append(time_left())
            await asyncio.sleep(1.5)

    await stopped(cleanup)
    assert seen == [5, 3.5, 2]


async def test_r27_a_draining_target_sees_the_seconds_of_the_drain_rung():
    seen = []

    async def drains():
        await wait_requested(Drain)
        seen.append(time_left())

    await stop(await started(drains()), ladder=Ladder((Drain, 10), (Terminate, 5)))
    assert seen == [10]


async def test_r27_a_child_of_a_target_sees_what_the_target_sees():
    seen = []

    async def child():
        seen.append(time_left())

    async def cleanup():
        await asyncio.sleep(1)
        await asyncio.create_task(child())

    await stopped(cleanup)
    assert seen == [4]


async def test_r27_a_task_that_nobody_stops_sees_none():
    assert time_left() is None


async def test_r27_a_task_whose_ladder_is_over_sees_none():
    seen = []

    async def cleanup():
        await asyncio.sleep(10)
        seen.append(time_left())

    task = await started(cleans_up(cleanup))
    await stop(task, ladder=Ladder((Terminate, 5)))
    await asyncio.wait([task])
    assert seen == [None]


@pytest.mark.parametrize("end", ["cancel", "kill"])
async def test_r27_a_task_whose_stop_was_cancelled_or_killed_sees_none(end):
    seen = []

    async def cleanup():
        await asyncio.sleep(1)
        seen.append(time_left())

    task = await started(cleans_up(cleanup))
    stopping = await started(stop(task, ladder=FIRM))
    getattr(stopping, end)()
    await asyncio.wait([stopping, task])
    assert seen == [None]


async def test_r27_of_two_ladders_the_next_signal_counts():
    seen = []

    async def cleanup():
        seen.append(time_left())

    async def drains():
        await wait_requested(Drain)
        await turns(3)
        seen.append(time_left())

    task = await started(drains())
    await asyncio.gather(
        stop(task, ladder=Ladder((Drain, 1), (Terminate, 100))), stop(task, ladder=Ladder((Drain, 50), (Terminate, 1)))
    )
    assert seen == [1]


async def test_r27_time_left_fits_a_timeout():
    async def cleanup():
        async with asyncio.timeout(time_left() - 1):
            await forever()

    report = await stopped(cleanup)
    assert (report.tasks[0].ended, now()) == ("raised TimeoutError", 4)


@pytest.mark.parametrize("call", [time_left, lambda: extend(1)])
def test_r27_outside_any_task_it_is_a_runtime_error(call):
    with pytest.raises(RuntimeError, match="works in a task, or in a function"):
        call()


# -- extend() ---------------------------------------------------------------------------------------------------------


def extends(*seconds, then=100.0, granted):
    async def cleanup():
        for each in seconds:
            granted.append(extend(each))
        await asyncio.sleep(then)

    return cleanup


async def test_r27_extend_puts_the_next_rung_off():
    granted = []
    report = await stopped(extends(3, granted=granted), Ladder((Terminate, 5), (Kill, 1), limit=10))
    assert (granted, now(), report.tasks[0].ended) == ([3], 8, "ended by Kill")


async def test_r27_extend_grants_up_to_the_limit_in_all():
    granted = []
    await stopped(extends(3, 4, 5, 6, granted=granted), Ladder((Terminate, 5), (Kill, 1), limit=10))
    assert (granted, now()) == ([3, 4, 3, 0], 15)


async def test_r27_without_a_limit_nothing_is_granted():
    granted = []
    await stopped(extends(3, granted=granted))
    assert (granted, now()) == ([0], 5)


async def test_r27_what_one_target_was_granted_all_have_and_none_gets_again():
    granted = []
    tasks = [await started(cleans_up(extends(6, granted=granted))) for _ in range(2)]
    await stop(*tasks, ladder=Ladder((Terminate, 5), (Kill, 1), limit=10))
    assert (granted, now()) == ([6, 4], 15)


async def test_r27_time_left_counts_what_was_granted():
    seen = []

    async def cleanup():
        await asyncio.sleep(2)
        extend(4)
        seen.append(time_left())

    await stopped(cleanup, Ladder((Terminate, 5), (Kill, 1), limit=10))
    assert seen == [7]


async def test_r27_extend_in_one_rung_leaves_the_next_its_own_time():
    seen = []

    async def body():
        await wait_requested(Drain)
        extend(5)
        await cleans_up(cleanup)

    async def cleanup():
        seen.append((now(), time_left()))
        await forever()

    await stop(await started(body()), ladder=Ladder((Drain, 10), (Terminate, 5), (Kill, 1), limit=5))
    assert (seen, now()) == ([(15, 5)], 20)


async def test_r27_a_child_may_extend_for_its_parent():
    async def child():
        extend(2)
        await asyncio.sleep(6)

    async def cleanup():
        await asyncio.create_task(child())

    report = await stopped(cleanup, Ladder((Terminate, 5), (Kill, 1), limit=2))
    assert (report.tasks[0].ended, now()) == ("ended by Terminate", 6)


async def test_r27_extend_by_more_than_any_clock_has_is_the_limit():
    granted = []
    await stopped(extends(float("inf"), granted=granted), Ladder((Terminate, 5), (Kill, 1), limit=10))
    assert granted == [10]


async def test_r27_nobody_stopping_nothing_is_granted():
    assert extend(5) == 0


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_r27_extend_by_nothing_is_a_value_error(seconds):
    with pytest.raises(ValueError, match="above 0"):
        extend(seconds)


async def test_r27_a_ladder_inside_cannot_be_extended_past_the_outer_one():
    granted, reports = [], []
    inner = await started(cleans_up(extends(100, granted=granted)))

    async def cleanup():
        reports.append(await stop(inner, ladder=Ladder((Terminate, 2), (Kill, 1), limit=100)))

    await stopped(cleanup, Ladder((Terminate, 5), (Kill, 1)))
    assert (granted, now(), reports[0].ladder) == ([2], 4, "terminate=2s,kill=1s,limit=2s")
