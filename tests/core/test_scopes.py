"""R23 and R2: asyncio's own scopes around sigtask's blocks, and the other way round. They behave as they do without."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import weakref

import pytest
from tasks import end_of, fates, forever, me, now, started

import sigtask
from sigtask import Drain, Fate, Interrupt, Terminate, accept, catch, mask, on_signal, until
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


async def test_r23_a_timeout_in_the_handling_of_what_a_mask_held_fires():
    with contextlib.suppress(Terminate):
        with mask():
            me().terminate()
        await turns(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await forever()
    assert (me().cancelling(), me().uncancel()) == (1, 0)


async def test_r23_a_signal_after_a_mask_inside_a_timeout_is_no_timeout():
    async def worker():
        async with asyncio.timeout(5):
            with mask():
                await asyncio.sleep(1)
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert type(await end_of(task)) is Terminate


async def test_r23_a_timeout_around_a_plain_mask_fires_at_the_next_await():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            with mask(plain=True):
                await asyncio.sleep(20)
            await forever()
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


@pytest.mark.parametrize("later", range(5))
@pytest.mark.parametrize("fails", [False, True])
async def test_r5_a_signal_in_the_turn_of_the_result_of_wait_for_is_not_lost(later, fails):
    """On Python 3.11 it swallows that. What it gave is not lost either."""

    async def worker():
        got = []
        for begin in (lambda: asyncio.wait_for(inner(), 5), forever):
            try:
                got.append(await until(Drain, begin()))
            except OSError as error:
                got.append(error)
            if isinstance(got[-1], Drain):
                return got

    async def inner():
        await gate
        if fails:
            raise OSError
        return "item"

    gate = asyncio.get_running_loop().create_future()
    task = await started(worker())
    await turns(2)
    gate.set_result(None)
    await turns(later)
    task.drain("why")
    *items, drain = await end_of(task)
    assert drain.reason == "why" and len(items) <= 1
    assert task.cancelling() == 0 and fates(task)[0][1] in (Fate.DELIVERED, Fate.HANDLED)


async def test_r12_until_takes_what_an_error_kept_from_leaving_a_group_and_its_request():
    async def fails():
        try:
            await forever()
        finally:
            raise OSError

    async def worker():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                with accept(Drain):
                    await forever()
        except ExceptionGroup:
            return await until(Drain, forever())

    task = await started(worker())
    await turns(2)
    task.drain("why")
    assert (await end_of(task)).reason == "why"
    assert task.cancelling() == 0


async def test_r2_wait_for_hands_the_reason_on():
    """On Python 3.11 it runs what it waits for in a task of its own, and cancels that: a plain one, with its cause."""

    async def inner():
        try:
            await forever()
        except asyncio.CancelledError as error:
            log.append((error if isinstance(error, Terminate) else error.__cause__).reason)
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


async def test_r23_a_timeout_around_a_plain_mask_that_needs_no_further_await_is_none():
    """As in asyncio, where the body has not been left by the timeout's cancel; and that is not thrown later (3.11)."""
    async with asyncio.timeout(5):
        with mask(plain=True):
            await asyncio.sleep(20)
    await turns(2)
    assert (now(), me().cancelling()) == (20, 0)


async def test_r23_a_timeout_fires_around_a_mask_that_holds_a_signal():
    async def worker():
        try:
            async with asyncio.timeout(5):
                with mask(Terminate):
                    await forever()
        except TimeoutError:
            log.append("TimeoutError")
        await forever()

    log = []
    task = await started(worker())
    task.terminate("why")
    assert (type(await end_of(task)), log) == (Terminate, ["TimeoutError"])


async def child_that_cleans_up(n=4):
    try:
        await forever()
    finally:
        await turns(n)


@pytest.mark.parametrize("first, second", [("interrupt", "terminate"), ("terminate", "interrupt")])
async def test_r5_the_strongest_that_came_while_a_group_was_left_leaves_it(first, second):
    async def parent():
        async with asyncio.TaskGroup() as group:
            group.create_task(child_that_cleans_up())
            await forever()

    task = await started(parent())
    await turns(2)
    getattr(task, first)(first)
    await turns(2)
    getattr(task, second)(second)
    error = await end_of(task)
    assert (type(error), error.reason, task.ended_by.reason) == (Terminate, "terminate", "terminate")


async def test_r5_a_stronger_one_that_a_group_swallows_leaves_it_before_the_weaker_is_handled():
    async def parent():
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child_that_cleans_up())
                    await forever()
            except Interrupt:
                rounds.append(1)

    rounds = []
    task = await started(parent())
    await turns(2)
    task.interrupt("skip this round")
    await turns(2)
    task.terminate("the end")
    assert (await end_of(task)).reason == "the end"
    assert rounds == []


async def test_r5_what_came_while_a_group_waited_for_its_children_leaves_it_too():
    async def parent():
        async with asyncio.TaskGroup() as group:
            group.create_task(child_that_cleans_up())

    task = await started(parent())
    await turns(2)
    task.interrupt("one")
    await turns(2)
    task.terminate("two")
    assert (await end_of(task)).reason == "two"


async def fails_in_cleanup():
    try:
        await forever()
    finally:
        raise ValueError("cleanup failed")


@pytest.mark.parametrize("nested", [False, True])
async def test_r5_when_an_error_leaves_a_group_the_signal_comes_at_the_next_await(nested):
    async def parent():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails_in_cleanup())
                if nested:
                    async with asyncio.TaskGroup() as inner:
                        inner.create_task(fails_in_cleanup())
                        await forever()
                await forever()
        except* ValueError:
            log.append(me().cancelling())
        with mask(Terminate):
            await turns(3)
            log.append("masked")
        await forever()

    log = []
    task = await started(parent())
    await turns(2)
    task.terminate("disk full")
    error = await end_of(task)
    assert (type(error), error.reason, log) == (Terminate, "disk full", [1, "masked"])
    assert fates(task) == [(Terminate, Fate.DELIVERED)]


async def test_r5_an_error_and_a_signal_in_one_turn_are_both_seen():
    """Before Python 3.13 asyncio loses the cancellation there (python/cpython#116720)."""

    async def parent():
        try:
            async with asyncio.TaskGroup() as outer:
                outer.create_task(fails_later())
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(fails_later())
                    await forever()
        except* ValueError:
            log.append("ValueError")
        await forever()

    async def fails_later():
        await gate.wait()
        raise ValueError

    gate, log = asyncio.Event(), []
    task = await started(parent())
    await turns(2)
    gate.set()
    task.terminate("why")
    assert (type(await end_of(task)), log) == (Terminate, ["ValueError"])


async def test_r5_taken_back_after_the_group_it_does_not_come():
    async def parent():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails_in_cleanup())
                await forever()
        except* ValueError:
            assert me().uncancel() == 0
        await turns(4)
        return "went on"

    task = await started(parent())
    await turns(2)
    task.terminate()
    assert await end_of(task) == "went on"
    assert task.history[0].taken_back


async def test_r5_a_timeout_that_cuts_a_cleanup_is_left_by_the_signal():
    async def worker():
        async with asyncio.timeout(5):
            try:
                await forever()
            finally:
                await forever()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r5_a_timeout_inside_the_handling_of_a_signal_fires_as_ever():
    async def worker():
        try:
            await forever()
        except Terminate:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await forever()
            return "clean"

    task = await started(worker())
    task.terminate("why")
    assert await end_of(task) == "clean"


async def test_r5_a_plain_cancel_in_the_handling_of_a_signal_leaves_a_timeout_as_a_plain_one():
    """The scope was entered when the signal had come already: it is not what is left by it."""

    async def worker():
        try:
            await forever()
        except Terminate:
            async with asyncio.timeout(5):
                await forever()

    task = await started(worker())
    task.terminate("why")
    await turns(2)
    task.cancel()
    assert type(await end_of(task)) is asyncio.CancelledError


async def test_r5_somebody_elses_wrapper_around_task_groups_changes_nothing():
    @functools.wraps(asyncio.TaskGroup.__aexit__)
    async def theirs(self, *args):
        return await original(self, *args)

    original = asyncio.TaskGroup.__aexit__
    asyncio.TaskGroup.__aexit__ = theirs
    try:
        sigtask.install()
        await test_r5_what_came_while_a_group_waited_for_its_children_leaves_it_too()
    finally:
        asyncio.TaskGroup.__aexit__ = original


async def test_r22_shield_keeps_class_and_reason():
    inner = await started(forever())

    async def waits():
        await asyncio.shield(inner)

    tasks = [await started(waits()) for _ in range(2)]
    inner.terminate("disk full")
    for task in tasks:
        error = await end_of(task)
        assert (type(error), error.reason, error.target) == (Terminate, "disk full", inner)


async def test_r22_what_ended_a_shielded_task_is_not_caught_as_ones_own():
    inner = await started(forever())
    inner.interrupt("inner only")
    with pytest.raises(Interrupt):
        with catch(Interrupt):
            await asyncio.shield(inner)


async def test_r22_shield_leaves_nothing_on_a_task_whose_waiters_have_gone():
    inner = await started(forever())
    for _ in range(3):
        waits = await started(shielded(inner))
        waits.cancel()
        await asyncio.wait([waits])
    assert len(inner._callbacks or ()) == 0
    inner.cancel()
    await asyncio.wait([inner])


async def shielded(inner):
    await asyncio.shield(inner)


async def test_r9_wait_for_times_out_after_an_interrupt_that_was_handled():
    async def inner():
        await forever()

    async def worker():
        with catch(Interrupt):
            await forever()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inner(), 5)
        return now()

    task = await started(worker())
    task.interrupt()
    assert await end_of(task) == 5


async def test_r5_a_timeout_that_cuts_a_cleanup_in_a_function_of_its_own_is_left_by_the_signal():
    async def cleans_up():
        await forever()

    async def works():
        try:
            await forever()
        finally:
            await cleans_up()

    async def worker():
        async with asyncio.timeout(5):
            await works()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


@pytest.mark.skipif(sys.version_info < (3, 13, 1), reason="asyncio's own group makes a cycle (gh-124958)")
@pytest.mark.parametrize("stock", [False, True], ids=["ours", "stock"])
async def test_r31_what_leaves_a_group_as_it_is_ends_up_in_no_cycle(stock):
    class Exit(SystemExit):
        pass

    async def worker():
        try:
            async with asyncio.TaskGroup():
                raise Exit
        except Exit as error:
            return weakref.ref(error)

    gc.disable()
    try:
        error = await (asyncio.Task(worker()) if stock else sigtask.create_task(worker()))
        assert error() is None
    finally:
        gc.enable()
