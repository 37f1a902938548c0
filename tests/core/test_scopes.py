"""R23 and R2: asyncio's own scopes around sigtask's blocks, and the other way round. They behave as they do without."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tasks import end_of, forever, me, now, started

from sigtask import Drain, Interrupt, Terminate, accept, catch, mask, on_signal
from sigtask.testing import turns

pytestmark = pytest.mark.clock

BLOCKS = [lambda: accept(Drain), lambda: mask(), lambda: mask(within=50), lambda: on_signal(Drain, print)]
BLOCKS += [lambda: catch(Interrupt), contextlib.nullcontext]
EVERY_BLOCK = pytest.mark.parametrize(
    "block", BLOCKS, ids=["accept", "mask", "mask within", "on_signal", "catch", "none"]
)


# -- timeout ------------------------------------------------------------


@EVERY_BLOCK
async def test_r23_a_timeout_around_a_block_fires(block):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            with block():
                await forever()
    assert (now(), me().cancelling()) == (5, 0)


@EVERY_BLOCK
async def test_r23_a_timeout_inside_a_block_fires(block):
    with block():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await forever()
    assert (now(), me().cancelling()) == (5, 0)


@EVERY_BLOCK
async def test_r23_a_plain_cancel_through_a_timeout_and_a_block_stays_plain(block):
    async def worker():
        async with asyncio.timeout(5):
            with block():
                await forever()

    task = await started(worker())
    task.cancel("bye")
    error = await end_of(task)
    assert (type(error), error.args) == (asyncio.CancelledError, ("bye",))


async def test_r23_a_signal_inside_a_timeout_is_no_timeout():
    async def worker():
        async with asyncio.timeout(5):
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert type(await end_of(task)) is Terminate


async def test_r23_a_signal_in_the_turn_in_which_a_timeout_fires_is_not_lost():
    async def worker():
        async with asyncio.timeout(5):
            await forever()

    task = await started(worker())
    asyncio.get_running_loop().call_at(5, task.terminate, "why")
    error = await end_of(task)
    assert (type(error), error.reason) == (Terminate, "why")


async def test_r23_a_signal_just_before_a_timeout_in_one_turn_is_not_lost():
    task = None
    asyncio.get_running_loop().call_at(5, lambda: task.terminate("why"))

    async def worker():
        async with asyncio.timeout(5):
            await forever()

    task = await started(worker())
    error = await end_of(task)
    assert (type(error), error.reason) == (Terminate, "why")


async def test_r23_a_catch_inside_a_timeout_leaves_the_timeout_armed():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            with catch(Interrupt):
                me().interrupt()
                await forever()
            await forever()
    assert (now(), me().cancelling()) == (5, 0)


async def test_r23_a_catch_around_a_timeout_takes_the_signal():
    with catch(Interrupt) as caught:
        async with asyncio.timeout(5):
            me().interrupt("why")
            await forever()
    assert (caught.signal.reason, me().cancelling()) == ("why", 0)


async def test_r23_a_timeout_in_the_cleanup_of_a_signal_fires():
    async def worker():
        try:
            await forever()
        except Terminate:
            before = me().cancelling()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await forever()
            return before, me().cancelling(), now()

    task = await started(worker())
    task.terminate()
    assert await end_of(task) == (1, 1, 5)


async def test_r23_a_timeout_in_the_cleanup_leaves_the_signal_in_force():
    """R5: the timeout takes back its own request, so a repeat still finds the cleanup protected."""

    async def worker():
        try:
            await forever()
        except Terminate:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await forever()
            me().terminate("again")
            await turns(2)
            return "clean"

    task = await started(worker())
    task.terminate()
    assert await end_of(task) == "clean"


async def test_r23_a_timeout_in_a_cleanup_raised_by_a_masks_end_fires():
    with contextlib.suppress(Terminate), mask():
        me().terminate()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await forever()
    assert (me().cancelling(), me().uncancel()) == (1, 0)


async def test_r23_a_mask_ending_by_a_signal_inside_a_timeout_is_no_timeout():
    async def worker():
        async with asyncio.timeout(5):
            with mask():
                await asyncio.sleep(1)

    task = await started(worker())
    task.terminate("why")
    assert type(await end_of(task)) is Terminate


async def test_r23_a_timeout_around_a_plain_mask_fires_when_the_mask_ends():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            with mask(plain=True):
                await asyncio.sleep(20)
    assert (now(), me().cancelling()) == (20, 0)


async def test_r23_a_timeout_inside_a_plain_mask_that_holds_its_cancel_does_not_fire_late():
    """A mask of plain cancels holds the timeout's too; what the timeout takes back is not raised at the end."""
    with mask(plain=True):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(20)
    await turns(2)
    assert (now(), me().cancelling()) == (20, 0)


async def test_r23_a_timeout_that_swallows_inside_a_task_group_keeps_the_group_going():
    async with asyncio.TaskGroup() as tg:
        tg.create_task(asyncio.sleep(10))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                with mask():
                    await forever()
    assert (now(), me().cancelling()) == (10, 0)


# -- TaskGroup ------------------------------------------------------------


async def fails():
    await turns(2)
    raise ValueError("broken")


@EVERY_BLOCK
async def test_r23_a_failing_child_cancels_the_body_inside_a_block(block):
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as tg:
            tg.create_task(fails())
            with block():
                await forever()
    assert me().cancelling() == 0


@EVERY_BLOCK
async def test_r23_a_failing_child_of_a_group_inside_a_block_cancels_the_body(block):
    with block():
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as tg:
                tg.create_task(fails())
                await forever()
    assert me().cancelling() == 0


async def test_r2_a_signal_in_the_body_of_a_group_ends_the_group_with_it():
    async def worker():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(forever())
            await forever()

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    error = await end_of(task)
    assert (type(error), error.reason) == (Terminate, "why")


async def test_r2_a_signal_to_a_waiting_group_ends_the_group_with_it():
    async def worker():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(forever())

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r2_a_child_that_ends_by_a_signal_does_not_fail_the_group():
    async with asyncio.TaskGroup() as tg:
        child = tg.create_task(forever())
        other = tg.create_task(turns(5))
        await turns(1)
        child.terminate("only you")
    assert (child.ended_by.reason, other.cancelled()) == ("only you", False)


async def test_r23_a_group_in_a_cleanup_works():
    async def worker():
        try:
            await forever()
        finally:
            async with asyncio.TaskGroup() as tg:
                done = [tg.create_task(asyncio.sleep(1, "saved")) for _ in range(2)]
            log.extend(task.result() for task in done)

    log = []
    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert log == ["saved", "saved"]


async def test_r23_a_child_that_fails_while_the_group_is_terminated_shows_its_error():
    async def fails_in_cleanup():
        try:
            await forever()
        finally:
            raise ValueError("cleanup failed")

    async def worker():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(fails_in_cleanup())

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    assert isinstance(await end_of(task), ExceptionGroup)


async def test_r23_a_catch_around_a_group_takes_the_signal_and_the_children_end():
    with catch(Interrupt) as caught:
        async with asyncio.TaskGroup() as tg:
            child = tg.create_task(forever())
            await turns(1)
            me().interrupt("why")
    assert (caught.signal.reason, child.ended_by.reason, me().cancelling()) == ("why", "why", 0)


# -- gather, wait, wait_for, shield ------------------------------------------------------------


async def test_r2_gather_with_return_exceptions_does_not_swallow_my_own_signal():
    async def worker():
        await asyncio.gather(forever(), forever(), return_exceptions=True)
        await forever()

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r2_wait_takes_the_signal_and_leaves_the_tasks():
    inner = await started(forever())

    async def worker():
        await asyncio.wait([inner])

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert inner.history == ()
    inner.kill()


@EVERY_BLOCK
async def test_r2_wait_for_inside_a_block_times_out(block):
    with block(), pytest.raises(TimeoutError):
        await asyncio.wait_for(forever(), 5)
    assert (now(), me().cancelling()) == (5, 0)


async def test_r2_wait_for_passes_the_signal_on():
    async def inner():
        try:
            await forever()
        except Terminate as error:
            log.append(error.reason)
            raise

    async def worker():
        await asyncio.wait_for(inner(), 5)

    log = []
    task = await started(worker())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert log == ["why"]


async def test_r2_shield_inside_catch_lets_the_inner_task_go_on():
    inner = await started(asyncio.sleep(5, "done"))
    with catch(Interrupt) as caught:
        me().interrupt("why")
        await asyncio.shield(inner)
    assert caught.signal.reason == "why"
    assert await inner == "done"


async def test_r2_a_queue_loses_no_item_to_a_signal():
    queue = asyncio.Queue()
    task = await started(queue.get())
    queue.put_nowait("item")
    task.terminate()
    await asyncio.wait([task])
    assert task.cancelled() and queue.get_nowait() == "item"


async def test_r2_a_semaphore_is_free_again_after_a_signal():
    semaphore = asyncio.Semaphore(1)

    async def worker():
        async with semaphore:
            await forever()

    task = await started(worker())
    task.terminate()
    await asyncio.wait([task])
    async with asyncio.timeout(1), semaphore:
        pass


async def test_r2_a_condition_is_left_as_found():
    condition = asyncio.Condition()

    async def worker():
        async with condition:
            await condition.wait()

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    await asyncio.wait([task])
    assert task.ended_by.reason == "why" and not condition.locked()
