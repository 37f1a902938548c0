"""Programs like those that once failed, with other scopes around them. Each cites the rule that it holds sigtask to."""

from __future__ import annotations

import asyncio
import contextlib
import types

import pytest
from tasks import end_of, fates, forever, me, started

from sigtask import Fate, Interrupt, Kill, Terminate, catch, mask
from sigtask._core.delivery import HISTORY
from sigtask.testing import turns

pytestmark = pytest.mark.clock


# -- scopes -------------------------------------------------------------


async def test_r5_an_error_that_a_signal_led_to_leaves_a_timeout_as_it_is():
    async def worker():
        async with asyncio.timeout(5):
            try:
                await forever()
            except Interrupt:
                raise ValueError("in its place") from None

    task = await started(worker())
    task.interrupt("why")
    assert str(await end_of(task)) == "in its place"


async def test_r5_a_signal_leaves_a_timeout_as_the_very_object_with_its_notes():
    async def worker():
        with pytest.raises(Interrupt) as left:
            async with asyncio.timeout(5):
                try:
                    await forever()
                except Interrupt as signal:
                    signal.add_note("half done")
                    raise
        return left.value.__notes__

    task = await started(worker())
    task.interrupt("why")
    assert await end_of(task) == ["half done"]


@pytest.mark.parametrize("rounds", [1, 3])
async def test_r5_a_group_whose_child_fails_leaves_a_task_alone_that_took_its_signals_before(rounds):
    """Python 3.13's group cancels itself for any request that it finds: one handled long ago is none (trap)."""

    async def fails():
        raise ValueError

    async def worker():
        for _ in range(rounds):
            with contextlib.suppress(Interrupt):
                await forever()
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    await forever()
            await turns(2)
        return "well"

    task = await started(worker())
    for _ in range(rounds):
        task.interrupt()
        await turns(8)
    assert await end_of(task) == "well"


# -- chains -------------------------------------------------------------


async def by_task(worker):
    await asyncio.create_task(worker)


async def by_gather(worker):
    await asyncio.gather(worker)


async def by_timeout(worker):
    async with asyncio.timeout(500):
        await asyncio.create_task(worker)


@pytest.mark.parametrize("calls", [by_task, by_gather, by_timeout])
async def test_r9_a_plain_cancel_is_not_taken_for_a_signal_that_the_awaited_took_before(calls):
    async def worker():
        with catch(Interrupt):
            await forever()
        await forever()

    task = await started(calls(worker()))
    await turns(2)
    task.interrupt()
    await turns(4)
    task.cancel("plain")
    error = await end_of(task)
    assert type(error) is asyncio.CancelledError
    assert (task.ended_by, [one.fate for one in task.history]) == (None, [Fate.CONSUMED])


# -- afterwards ---------------------------------------------------------


async def caught_many(cls, count):
    """A task that has caught so many signals, and waits."""

    async def worker(then):
        for _ in range(count):
            with catch(cls):
                await forever()
        try:
            await forever()
        finally:
            await then

    gate = asyncio.get_running_loop().create_future()
    task = await started(worker(gate))
    for _ in range(count):
        task.send_signal(cls)
        await turns(2)
    return task, gate


async def test_r21_a_signal_that_is_being_handled_is_not_forgotten_for_stronger_ones():
    task, gate = await caught_many(Terminate, HISTORY)
    task.interrupt("why")
    await turns(2)
    task.drain()
    gate.set_result(None)
    ends = [await end_of(task), await end_of(task)]
    assert [type(end) for end in ends] == [Interrupt, Interrupt]
    assert len(task.history) == HISTORY


async def test_r21_a_pending_signal_is_not_forgotten_for_those_that_were_thrown():
    task, _ = await caught_many(Terminate, HISTORY)
    task.drain("still to be heard")
    task.interrupt()
    assert [one.fate for one in task.history[-2:]] == [Fate.PENDING, Fate.IN_FLIGHT]


async def test_r5_exceptions_that_somebody_keeps_are_not_looked_through_for_ever():
    kept = []

    async def worker():
        while True:
            try:
                await forever()
            except Interrupt as signal:
                kept.append(signal)

    task = await started(worker())
    for _ in range(5 * HISTORY):
        task.interrupt()
        await turns(2)
    assert len(kept) == 5 * HISTORY
    assert len(task._inbox.delivered) <= HISTORY + 1


async def test_r22_a_signal_that_came_while_a_condition_took_its_lock_back_is_what_ended_the_task():
    condition = asyncio.Condition()

    async def waits():
        async with condition:
            await condition.wait()

    task = await started(waits())
    async with condition:
        condition.notify()
        await turns(2)
        task.terminate("why")
        await turns(2)
    ends = [await end_of(task), await end_of(task)]
    assert [(type(end), end.reason) for end in ends] == [(Terminate, "why")] * 2


# -- a parent's plain cancel --------------------------------------------


async def cancelled_by_its_parent(child):
    """A task whose parent has cancelled it while it handled an Interrupt."""
    children = []

    async def parent():
        children.append(asyncio.create_task(child()))
        try:
            await forever()
        except Interrupt:
            children[0].cancel()
        await asyncio.wait(children)

    task = await started(parent())
    await turns(1)
    task.interrupt("why")
    await turns(3)
    return children[0]


async def test_r9_a_later_cancel_by_somebody_else_has_no_cause():
    async def child():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        me().uncancel()
        await forever()

    task = await cancelled_by_its_parent(child)
    task.cancel()
    error = await end_of(task)
    assert (error.__cause__, task.ended_by) == (None, None)


async def test_r9_the_end_of_an_awaited_future_has_no_cause():
    shared, seen = asyncio.get_running_loop().create_future(), []

    async def child():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        try:
            await shared
        except asyncio.CancelledError as error:
            seen.append(error.__cause__)

    task = await cancelled_by_its_parent(child)
    shared.cancel()
    await end_of(task)
    assert seen == [None]


async def test_r9_a_cancel_that_a_mask_holds_is_not_the_cause_of_what_comes_out_of_an_await():
    shared = asyncio.get_running_loop().create_future()

    async def child():
        with mask(Terminate, plain=True):
            await shared

    task = await cancelled_by_its_parent(child)
    shared.cancel()
    error = await end_of(task)
    assert (error.__cause__, task.ended_by) == (None, None)


async def test_r9_a_cancel_that_a_mask_held_has_its_cause_when_it_is_thrown():
    shared, seen = asyncio.get_running_loop().create_future(), []

    async def child():
        with mask(Terminate, plain=True):
            try:
                await shared
            except asyncio.CancelledError as error:
                seen.append(error.__cause__)
        await forever()

    task = await cancelled_by_its_parent(child)
    shared.cancel()
    error = await end_of(task)
    assert (seen, type(error.__cause__), type(task.ended_by)) == ([None], Interrupt, Interrupt)


async def test_r9_a_cancel_that_was_taken_back_while_a_mask_held_it_is_not_the_cause_of_a_later_one():
    gate = asyncio.get_running_loop().create_future()

    async def child():
        with mask(Terminate, plain=True):
            await gate
            me().uncancel()
        await forever()

    task = await cancelled_by_its_parent(child)
    gate.set_result(None)
    await turns(2)
    task.cancel()
    error = await end_of(task)
    assert (error.__cause__, task.ended_by) == (None, None)


async def test_r9_the_end_of_an_awaited_sibling_is_not_the_cancel_that_a_mask_holds():
    children = []

    async def child():
        with mask(Terminate, plain=True):
            await children[0]

    async def parent():
        async with asyncio.TaskGroup() as group:
            children.extend(group.create_task(coro) for coro in (forever(), child()))
            await forever()

    task = await started(parent())
    await turns(1)
    task.interrupt("why")
    await end_of(task)
    assert [type(one.ended_by) for one in children] == [Interrupt, type(None)]


async def test_r9_a_cancel_that_the_awaited_task_swallowed_is_not_the_cause_of_a_later_one():
    async def swallows():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()

    async def child():
        await asyncio.create_task(swallows())
        await forever()

    task = await cancelled_by_its_parent(child)
    await turns(2)
    task.cancel()
    error = await end_of(task)
    assert (error.__cause__, task.ended_by) == (None, None)


async def test_r9_a_cancel_that_the_awaited_task_answered_with_an_error_is_not_the_cause_of_a_later_one():
    async def fails():
        try:
            await forever()
        finally:
            raise ValueError

    async def child():
        with contextlib.suppress(ValueError):
            await asyncio.create_task(fails())
        await forever()

    task = await cancelled_by_its_parent(child)
    await turns(2)
    task.cancel()
    error = await end_of(task)
    assert (error.__cause__, task.ended_by) == (None, None)


async def test_r9_a_cancel_that_came_together_with_a_signal_keeps_its_cause_until_catch_raises_it():
    async def child():
        with catch(Interrupt):
            with contextlib.suppress(Interrupt):
                await forever()
            await forever()

    async def parent():
        async with asyncio.TaskGroup() as group:
            children.append(group.create_task(child()))
            await forever()

    children = []
    task = await started(parent())
    await turns(1)
    task.interrupt("the parent's")
    await turns(1)
    children[0].interrupt("its own")
    await turns(2)
    children[0].interrupt("its own, again")
    await end_of(task)
    assert (fates(children[0]), children[0].ended_by.reason) == ([(Interrupt, Fate.DELIVERED)] * 2, "the parent's")


async def test_r9_an_error_with_a_cause_of_its_own_does_not_hide_the_parents_signal():
    async def inner():
        try:
            await forever()
        except asyncio.CancelledError:
            raise asyncio.CancelledError from ValueError("its own")

    async def child():
        await asyncio.create_task(inner())

    task = await cancelled_by_its_parent(child)
    error = await end_of(task)
    assert (type(error.__cause__), type(task.ended_by)) == (ValueError, Interrupt)


async def test_r9_a_timeout_in_the_cleanup_does_not_hide_the_cause():
    async def child():
        try:
            await forever()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await forever()

    task = await cancelled_by_its_parent(child)
    await asyncio.wait([task])
    assert type(task.ended_by) is Interrupt


@pytest.mark.parametrize("block", [contextlib.nullcontext, lambda: mask(Interrupt)], ids=["no inbox yet", "an inbox"])
async def test_r9_a_plain_cancel_that_was_taken_back_is_not_what_ended_a_task_that_signals_itself_after_that(block):
    async def worker():
        try:
            with block():
                await forever()
        finally:
            me().uncancel()
            me().terminate("of its own")

    task = await started(worker())
    task.cancel()
    assert type(await end_of(task)) is Terminate
    assert (task.ended_by.reason, fates(task)) == ("of its own", [(Terminate, Fate.DELIVERED)])


# -- masks --------------------------------------------------------------


async def test_r17_what_a_leaked_mask_held_in_a_child_comes_when_its_owner_ends():
    children, leaked = [], mask(Terminate)

    async def owner():
        leaked.__enter__()
        children.append(asyncio.create_task(forever()))
        await turns(4)

    task = await started(owner())
    await turns(1)
    children[0].terminate("why")
    await turns(1)
    assert not children[0].done()
    await task
    assert type(await end_of(children[0])) is Terminate


async def _ended_by_under_a_mask(sends):
    """What ended a child that sent this in its last step, with an Interrupt held by its parent's mask."""

    async def child():
        await gate
        sends(parent)
        await gone

    async def masks():
        with mask(Interrupt):
            children.append(asyncio.create_task(child()))
            await asyncio.wait(children)

    gate, gone = (asyncio.get_running_loop().create_future() for _ in range(2))
    gone.cancel()
    children = []
    parent = await started(masks())
    await turns(1)
    children[0].interrupt("held")
    gate.set_result(None)
    await asyncio.wait([parent, *children])
    return children[0].ended_by


async def test_r14_what_a_mask_of_another_did_not_hold_ended_a_task_also_when_the_mask_ends_before_anybody_asks():
    assert type(await _ended_by_under_a_mask(lambda parent: me().terminate("its own"))) is Terminate


async def test_r19_a_kill_by_way_of_the_parent_is_what_ended_a_task_under_the_parents_mask():
    assert type(await _ended_by_under_a_mask(lambda parent: parent.kill("all"))) is Kill


async def test_r14_what_a_mask_of_another_held_when_a_task_ended_is_not_what_ended_it():
    assert await _ended_by_under_a_mask(lambda parent: None) is None


async def test_r14_a_mask_leaves_no_callback_with_its_owner():
    async def child():
        with catch(Terminate):
            await forever()

    async def owner():
        for _ in range(5):
            with mask(Terminate):
                task = await started(child())
                other.append(task)
                await turns(2)
            await task
        return len(me()._callbacks or ())

    other = []
    task = await started(owner())
    while not task.done():
        if other and not other[-1].done():
            other[-1].terminate()
        await turns(1)
    assert task.result() == 0


# -- a Kill in Condition.wait() -----------------------------------------


@contextlib.asynccontextmanager
async def told(condition):
    async with condition:
        await condition.wait()
        yield


async def notes(condition):
    async with condition:
        await condition.wait()
        yield


@types.coroutine
def by_yield_from(condition):
    yield from condition.wait()


async def in_a_context_manager(condition):
    async with told(condition):
        raise AssertionError


async def in_an_async_generator(condition):
    async for _ in notes(condition):
        raise AssertionError


async def in_a_generator(condition):
    async with condition:
        await by_yield_from(condition)


@pytest.mark.parametrize("waits", [in_a_context_manager, in_an_async_generator, in_a_generator])
async def test_r19_a_killed_task_breaks_nobody_elses_lock_wherever_it_waits(waits):
    condition, together = asyncio.Condition(), []

    async def holds():
        async with condition:
            together.append(1)
            await turns(3)
            together.pop()
            return len(together)

    victim = await started(waits(condition))
    holders = [await started(holds()) for _ in range(3)]
    victim.kill("die")
    await turns(3)
    assert victim.done()
    assert await asyncio.gather(*holders) == [0, 0, 0]
    assert not condition.locked()


# -- R8: taken below, and then something else -----------------------------------------------------------------------


async def _awaits_one_that_took_an_interrupt(catches=None):
    """A task that awaits a worker that has taken an Interrupt for it and goes on; and the worker."""

    async def works():
        with catch(Interrupt):
            await forever()
        await forever()

    async def awaits():
        with catch(catches) if catches else contextlib.nullcontext():
            await worker

    worker = await started(works())
    task = await started(awaits())
    task.interrupt("old")
    await turns(2)
    return task, worker


@pytest.mark.parametrize("catches", [None, Interrupt])
async def test_r8_the_end_of_one_that_took_the_signal_before_is_what_its_awaiter_sees(catches):
    task, worker = await _awaits_one_that_took_an_interrupt(catches)
    worker.terminate("new")
    end = await end_of(task)
    assert (type(end), end.reason, task.cancelling()) == (Terminate, "new", 0)
    assert fates(task) == [(Interrupt, Fate.CONSUMED)]


async def test_r8_a_plain_cancel_of_one_that_took_the_signal_before_stays_plain_for_its_awaiter():
    task, worker = await _awaits_one_that_took_an_interrupt()
    worker.cancel()
    assert type(await end_of(task)) is asyncio.CancelledError
    assert task.ended_by is None


async def test_r9_a_task_that_signals_itself_on_its_way_out_of_a_plain_cancel_ends_by_that():
    async def worker():
        try:
            await forever()
        finally:
            me().terminate("too late")

    task = await started(worker())
    task.cancel()
    assert type(await end_of(task)) is asyncio.CancelledError
    assert (task.ended_by, fates(task)) == (None, [(Terminate, Fate.PENDING)])


async def test_r5_what_leaves_a_group_is_absorbing_again_though_a_weaker_one_came_into_the_group_after_it():
    async def child():
        try:
            await forever()
        finally:
            await gate

    async def worker():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        except Terminate as signal:
            seen.append(signal.reason)
            await forever()

    gate, seen = asyncio.get_running_loop().create_future(), []
    task = await started(worker())
    await turns(1)
    for send, reason in ((task.interrupt, "weak"), (task.terminate, "strong"), (task.interrupt, "weak")):
        send(reason)
        await turns(2)
    gate.set_result(None)
    await turns(4)
    task.terminate("a repeat")
    await turns(2)
    assert (seen, fates(task)[-1]) == (["strong"], (Terminate, Fate.ABSORBED))
    task.kill()
    await end_of(task)
