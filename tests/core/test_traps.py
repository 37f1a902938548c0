"""The traps of asyncio cancellation, by number (see the list of traps): what sigtask does in each.

Where the trap is asyncio's own and stays, the test says what a user then sees and what to use in its place. Traps not
here have no part in the core: 18, 20, 25 to 28 belong to the ladder and the runner, 19 to threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import weakref

import pytest
from tasks import end_of, forever, me, started

from sigtask import (
    Drain,
    Fate,
    Interrupt,
    Kill,
    Signal,
    Task,
    Terminate,
    accept,
    catch,
    mask,
    requested,
    wait_requested,
)
from sigtask.testing import turns


@pytest.mark.clock
async def test_trap_01_a_later_await_in_the_cleanup_may_wait_but_a_stronger_signal_reaches_it():
    async def worker():
        try:
            await forever()
        finally:
            await forever()

    task = await started(worker())
    task.interrupt("polite")
    await asyncio.sleep(100)
    assert not task.done()
    task.terminate("firm")
    assert (await end_of(task)).reason == "firm"


async def test_trap_01_nothing_is_thrown_again_by_itself():
    thrown = []

    async def worker():
        while len(thrown) < 2:
            try:
                await turns(10)
                break
            except Terminate as error:
                thrown.append(error)

    task = await started(worker())
    task.terminate()
    await task
    assert len(thrown) == 1


@pytest.mark.clock
async def test_trap_02_a_second_request_lands_in_the_cleanup_only_if_it_is_stronger():
    log = []

    async def worker():
        try:
            await forever()
        finally:
            await asyncio.sleep(5)
            log.append("clean")

    task = await started(worker())
    for _ in range(3):
        task.terminate()
        await asyncio.sleep(1)
    await asyncio.wait([task])
    assert log == ["clean"]


@pytest.mark.clock
async def test_trap_02_a_masked_cleanup_stands_even_a_stronger_one():
    log = []

    async def worker():
        try:
            await forever()
        finally:
            with mask(Terminate):
                await asyncio.sleep(5)
                log.append("clean")
            await forever()

    task = await started(worker())
    task.interrupt("first")
    await asyncio.sleep(1)
    task.terminate("second")
    assert (await end_of(task)).reason == "second"
    assert log == ["clean"]


@pytest.mark.parametrize("state", ["blocked", "ready", "running"])
@pytest.mark.parametrize("order", [(Interrupt, Terminate), (Terminate, Interrupt)])
async def test_trap_03_of_two_in_one_turn_the_strongest_wins_in_every_state(state, order):
    wake = asyncio.get_running_loop().create_future()

    def both():
        for cls in order:
            task.send_signal(cls)

    async def worker():
        await wake
        if state == "running":
            both()
        await forever()

    task = await started(worker())
    if state != "blocked":
        wake.set_result(None)
    if state != "running":
        both()
    assert type(await end_of(task)) is Terminate


async def test_trap_04_a_swallowed_signal_misleads_no_timeout_later():
    async def worker():
        with contextlib.suppress(Interrupt):
            await forever()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await forever()
        return me().cancelling()

    task = await started(worker())
    task.interrupt()
    assert await task == 1  # nobody took it back: catch() does


async def test_trap_04_catch_leaves_the_count_it_found():
    me().cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await turns(1)
    with catch(Interrupt) as caught:
        me().interrupt("why")
        await forever()
    assert (caught.signal.reason, me().cancelling()) == ("why", 1)
    me().uncancel()


async def test_trap_05_a_timeout_of_zero_may_hide_a_plain_cancel_but_never_the_signal_on_record():
    """python/cpython#134471, open: asyncio's to mend. What was sent is still in the history."""

    async def worker():
        try:
            async with asyncio.timeout(0):
                await forever()
        except TimeoutError:
            return "hidden"

    task = await started(worker())
    task.terminate("why")
    await asyncio.wait([task])
    assert [d.signal.reason for d in task.history] == ["why"]
    assert task.cancelled() or task.cancelling() == 1


async def test_trap_06_a_timeout_swallowed_by_the_body_yields_no_timeout_error():
    async with asyncio.timeout(0.001):
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
    assert me().cancelling() == 0


@pytest.mark.clock
async def test_trap_06_catch_does_not_swallow_a_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            with catch(Signal):
                await forever()


@pytest.mark.clock
async def test_trap_07_wait_for_gives_the_result_of_a_body_that_swallows():
    async def swallows():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        await asyncio.sleep(0.2)
        return "late"

    assert await asyncio.wait_for(swallows(), 0.01) == "late"


@pytest.mark.clock
async def test_trap_07_a_signal_to_a_task_in_wait_for_is_not_lost():
    async def worker():
        await asyncio.wait_for(forever(), 5)

    task = await started(worker())
    asyncio.get_running_loop().call_at(5, task.terminate, "why")
    error = await end_of(task)
    assert type(error) in (Terminate, TimeoutError)
    assert task.history[0].fate in (Fate.DELIVERED, Fate.CONSUMED)


async def test_trap_08_who_awaits_a_deaf_task_is_stuck_with_it_until_a_kill():
    async def swallows():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await forever()

    async def waits():
        await inner

    inner = await started(swallows())
    task = await started(waits())
    task.terminate()
    await turns(5)
    assert not task.done()
    task.kill("enough")
    await turns(2)
    assert task.done() and inner.done()


async def test_trap_08_a_cycle_of_two_tasks_ends():
    tasks = []

    async def waits(index):
        await turns(1)
        await tasks[index]

    tasks += [asyncio.create_task(waits(1)), asyncio.create_task(waits(0))]
    await turns(4)
    tasks[0].interrupt("why")
    assert [(await end_of(task)).reason for task in tasks] == ["why", "why"]


async def test_trap_09_shield_lets_the_waiter_go_and_keeps_the_task():
    inner = await started(forever())

    async def waits():
        await asyncio.shield(inner)

    task = await started(waits())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert not inner.done()
    inner.kill()


async def test_trap_09_through_shield_the_end_of_the_inner_task_is_a_plain_cancel():
    """asyncio makes it anew; the task itself knows better. To defer a signal rather than detach, use mask()."""
    inner = await started(forever())
    outer = asyncio.shield(inner)
    inner.terminate("why")
    assert type(await end_of(outer)) is asyncio.CancelledError
    assert inner.ended_by.reason == "why"


async def test_trap_10_gather_with_return_exceptions_gives_a_plain_cancelled_error():
    """asyncio makes it anew, with the signal as its message; the task itself knows better."""
    task = await started(forever())
    together = asyncio.gather(task, return_exceptions=True)
    task.terminate("why")
    (error,) = await together
    assert isinstance(error, asyncio.CancelledError)
    assert task.ended_by.reason == "why"


async def test_trap_10_a_signal_reaches_the_children_of_gather_with_return_exceptions():
    children = [await started(forever()) for _ in range(2)]

    async def worker():
        await asyncio.gather(*children, return_exceptions=True)

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert [child.ended_by.reason for child in children] == ["why", "why"]


async def test_trap_11_the_children_of_a_task_group_get_the_reason():
    async def worker():
        async with asyncio.TaskGroup() as tg:
            box.append(tg.create_task(forever()))

    box = []
    task = await started(worker())
    await turns(1)
    task.terminate("why")
    await asyncio.wait([task])
    assert box[0].ended_by.reason == "why"


async def test_trap_12_condition_wait_gives_the_class_and_the_reason_to_the_awaiter():
    """python/cpython#111693: before 3.13 it raises a fresh instance in place of the one it got."""
    condition = asyncio.Condition()

    async def worker():
        async with condition:
            await condition.wait()

    task = await started(worker())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_trap_12_the_tenth_awaiter_sees_the_class_too():
    task = await started(forever())
    awaiters = [await started(end_of(task)) for _ in range(10)]
    task.terminate("why")
    assert {type(await awaiter) for awaiter in awaiters} == {Terminate}


async def test_trap_13_a_future_that_others_wait_for_is_not_failed_with_the_signal():
    """asyncio cancels a shared bare future, for all who wait for it. It is not failed with our exception."""
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await future

    victim, other = await started(waits()), await started(waits())
    victim.terminate("why")
    assert (await end_of(victim)).reason == "why"
    assert type(await end_of(other)) is asyncio.CancelledError
    assert other.history == ()


async def test_trap_13_who_waits_for_an_event_is_not_touched_by_a_signal_to_another():
    event = asyncio.Event()
    victim, other = await started(event.wait()), await started(event.wait())
    victim.terminate()
    await asyncio.wait([victim])
    event.set()
    assert await other is True


@pytest.mark.lazy
async def test_trap_14_a_task_signalled_before_its_first_step_is_on_record_as_thrown():
    task = asyncio.create_task(forever())
    task.terminate("too early")
    await asyncio.wait([task])
    assert (task.history[0].fate, task.ended_by.reason) == (Fate.DELIVERED, "too early")


async def test_trap_15_a_drain_interrupts_no_await_so_nothing_is_lost_on_the_way():
    queue = asyncio.Queue()

    async def worker():
        got = []
        while requested(Drain) is None:
            got.append(await queue.get())
        return got

    task = await started(worker())
    queue.put_nowait("item")
    task.drain()
    assert await task == ["item"]


async def test_trap_15_a_wakeup_that_races_with_a_signal_goes_to_the_next_waiter():
    lock = asyncio.Lock()
    await lock.acquire()

    async def worker():
        async with lock:
            return "mine"

    victim, next_one = await started(worker()), await started(worker())
    lock.release()
    victim.terminate()
    assert await next_one == "mine"


async def test_trap_16_an_abandoned_coroutine_is_not_closed():
    log = []

    async def deaf():
        while True:
            try:
                await forever()
            except BaseException as error:
                log.append(type(error))

    task = await started(deaf())
    task.kill()
    await turns(2)
    closes = len(log)
    del task
    gc.collect()
    assert len(log) == closes


async def test_trap_17_a_block_held_across_a_yield_is_told_when_another_task_closes_it():
    async def generates():
        with accept(Drain):
            yield 1

    async def takes_one():
        return await anext(generator)

    generator = generates()
    await asyncio.create_task(takes_one())
    with pytest.raises(RuntimeError, match="PEP 789"):
        await generator.aclose()


async def test_trap_17_with_aclosing_it_is_fine():
    async def generates():
        with accept(Drain):
            yield 1

    async with contextlib.aclosing(generates()) as generator:
        async for _ in generator:
            break
    assert me().threshold == Interrupt.level


@pytest.mark.clock
async def test_trap_21_a_timeout_under_a_mask_fires():
    with mask(Terminate):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await forever()


@pytest.mark.clock
async def test_trap_21_a_mask_with_within_blocks_no_shutdown():
    async def stubborn():
        with mask(Terminate, within=3):
            await forever()

    task = await started(stubborn())
    task.terminate("shutdown")
    await asyncio.wait([task])
    assert asyncio.get_running_loop().time() == 3


def test_trap_22_the_task_is_asyncios_own_c_task():
    import _asyncio

    assert issubclass(Task, _asyncio.Task)
    assert issubclass(Task, asyncio.Task)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs asyncio's call graph")
async def test_trap_23_the_await_graph_forgets_a_killed_task():
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await future

    task = await started(waits())
    dead = weakref.ref(task)
    task.kill()
    await asyncio.wait([task])
    del task
    await turns(2)
    assert dead() is None


async def test_trap_23_the_context_of_a_reason_is_not_the_senders_exception():
    task = await started(forever())
    try:
        raise KeyError("what the sender was busy with")
    except KeyError:
        task.terminate("why")
        await asyncio.wait([task])
    assert task.ended_by.__context__ is None


async def test_trap_24_a_library_that_raises_its_own_cancelled_error_hides_nothing():
    async def library():
        try:
            await forever()
        except asyncio.CancelledError:
            raise asyncio.CancelledError("mine") from None

    async def worker():
        await library()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_trap_24_a_library_that_swallows_is_named():
    async def library():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()

    async def worker():
        await library()
        await turns(1)

    task = await started(worker())
    task.terminate()
    await task
    assert task.history[0].caught_at is not None


# -- odd combinations ------------------------------------------------------------


@pytest.mark.clock
async def test_within_that_ends_in_the_cleanup_of_a_timeout_throws_the_signal_once():
    async def worker():
        try:
            with mask(within=5):
                async with asyncio.timeout(5):
                    await forever()
        finally:
            log.append(me().cancelling())

    log = []
    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert log == [1]


async def test_a_kill_in_a_synchronous_finally_waits_for_the_next_await():
    log = []

    async def worker():
        try:
            await turns(2)
        finally:
            me().kill("die")
            log.append("finally ran on")
        await forever()

    task = await started(worker())
    await turns(5)
    assert task.ended_by.reason == "die" and log == ["finally ran on"]


async def test_a_signal_and_then_a_result_in_one_turn_throws_the_signal():
    future = asyncio.get_running_loop().create_future()

    async def waits():
        return await future

    task = await started(waits())
    future.set_result("there")
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_a_signal_that_is_taken_back_before_it_is_thrown_does_no_harm_later():
    """asyncio's rule differs by version: from 3.13 on it is then not thrown at all."""

    async def worker():
        me().interrupt("withdrawn")
        me().uncancel()
        with contextlib.suppress(Interrupt):
            await turns(1)
        me().uncancel()
        return me().cancelling()

    task = await started(worker())
    assert await task == 0


async def test_wait_requested_in_two_children_of_a_gather_each_looks_at_its_own_task():
    first = await started(wait_requested())
    second = await started(wait_requested())
    first.drain("first")
    assert (await first).reason == "first"
    assert not second.done()
    second.kill()


async def test_a_signal_to_a_parent_reaches_a_child_that_catches_it_and_the_parent_goes_on():
    async def child():
        with catch(Interrupt) as caught:
            await forever()
        return caught.signal.reason

    async def parent():
        reason = await asyncio.create_task(child())
        await turns(3)
        return reason, me().cancelling()

    task = await started(parent())
    await turns(1)
    task.interrupt("why")
    assert await task == ("why", 0)


async def test_a_child_that_holds_the_signal_and_returns_leaves_it_to_the_parent():
    """R8: it was not taken, so the one it was sent to still gets it."""

    async def child():
        with contextlib.suppress(Terminate), mask():
            await turns(3)

    async def parent():
        await asyncio.create_task(child())
        await forever()

    task = await started(parent())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_a_plain_cancel_every_turn_after_a_signal_does_not_hide_it():
    """As anyio does while a scope is cancelled."""
    task = await started(_sturdy(20))
    task.terminate("why")
    for _ in range(10):
        await turns(1)
        task.cancel()
    await asyncio.wait([task])
    assert task.history[0].fate is Fate.DELIVERED


async def _sturdy(times):
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await turns(2)


async def test_kill_wins_over_everything_sent_in_the_same_turn():
    task = await started(forever())
    for sig in (Drain, Interrupt, Kill, Terminate, Interrupt):
        task.send_signal(sig)
    task.cancel()
    await turns(2)
    assert type(task.ended_by) is Kill


async def test_a_signal_sent_by_a_done_callback_of_the_awaited_task_is_thrown():
    inner = await started(turns(3))

    async def waits():
        await inner
        await forever()

    task = await started(waits())
    inner.add_done_callback(lambda _: task.terminate("from a callback"))
    assert (await end_of(task)).reason == "from a callback"


async def test_a_signal_in_a_generator_based_awaitable_is_thrown_there():
    class Awaitable:
        def __await__(self):
            try:
                yield
                yield from forever().__await__()
            except Terminate as error:
                return error.reason

    async def waits():
        return await Awaitable()

    task = await started(waits())
    task.terminate("why")
    assert await task == "why"


async def test_a_drain_held_by_a_mask_is_thrown_by_the_accept_around_it():
    with catch(Drain) as caught, accept(Drain):
        with mask(Drain):
            me().drain("why")
            with mask(Interrupt):
                await turns(1)
        await turns(1)
    assert caught.signal.reason == "why"
