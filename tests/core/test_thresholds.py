"""R11 to R17: what is thrown and what is held, and the blocks that decide it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc

import pytest
from tasks import end_of, fates, forever, me, started

from sigtask import (
    Delivery,
    Drain,
    Fate,
    Interrupt,
    Kill,
    Signal,
    Terminate,
    accept,
    catch,
    mask,
    on_signal,
    requested,
    wait_requested,
)
from sigtask.testing import turns


class Reload(Drain):
    pass


# -- R11 ------------------------------------------------------------


async def test_r11_a_new_task_has_the_threshold_interrupt():
    assert me().threshold == Interrupt.level


async def test_r11_a_drain_is_held():
    task = await started(turns(3))
    task.drain()
    assert await task is None


@pytest.mark.parametrize("cls", [Interrupt, Terminate])
async def test_r11_what_is_stronger_is_thrown_at_the_await_the_task_is_in(cls):
    async def worker():
        try:
            await forever()
        except cls as error:
            return error.reason

    task = await started(worker())
    task.send_signal(cls("why"))
    assert await task == "why"


# -- R12 ------------------------------------------------------------


async def test_r12_requested_is_none_when_nothing_is_held():
    assert requested() is None


async def test_r12_requested_gives_the_held_signal_and_leaves_it_held():
    me().drain("why")
    assert (requested().reason, requested(Drain).reason) == ("why", "why")


async def test_r12_requested_gives_the_strongest():
    with contextlib.suppress(Terminate), mask(Terminate):
        me().drain("weak")
        me().terminate("strong")
        assert requested().reason == "strong"


async def test_r12_requested_looks_for_the_class_and_its_subclasses():
    me().send_signal(Reload("conf"))
    assert requested(Reload).reason == "conf"
    assert requested(Drain).reason == "conf"
    assert requested(Interrupt) is None


async def test_r12_wait_requested_waits_for_one():
    async def worker():
        return (await wait_requested()).reason

    task = await started(worker())
    await turns(2)
    task.drain("why")
    assert await task == "why"


async def test_r12_wait_requested_returns_at_once_for_one_that_is_held():
    me().drain("why")
    assert (await wait_requested(Drain)).reason == "why"


async def test_r12_wait_requested_passes_other_classes_by():
    async def worker():
        return (await wait_requested(Reload)).reason

    task = await started(worker())
    task.drain("not this")
    await turns(2)
    task.send_signal(Reload("this"))
    assert await task == "this"


async def test_r12_wait_requested_is_ended_by_what_is_thrown():
    task = await started(wait_requested())
    task.interrupt("out")
    assert (await end_of(task)).reason == "out"
    assert task._inbox.waiters == ()


# -- R13 ------------------------------------------------------------


async def test_r13_accept_lowers_the_threshold_for_the_block():
    with accept(Drain):
        assert me().threshold == Drain.level
    assert me().threshold == Interrupt.level


async def test_r13_in_the_block_a_drain_is_thrown():
    async def worker():
        with accept(Drain):
            await forever()

    task = await started(worker())
    task.drain("why")
    assert (await end_of(task)).reason == "why"


async def test_r13_what_is_pending_is_thrown_at_the_first_await_inside():
    me().drain("why")
    log = []
    with pytest.raises(Drain, match="why"):
        with accept(Drain):
            log.append("inside")
            await turns(1)
            log.append("never")
    assert log == ["inside"]
    assert me().uncancel() == 0


async def test_r13_thrown_inside_it_counts_as_a_request():
    me().drain()
    before = me().cancelling()
    with contextlib.suppress(Drain), accept(Drain):
        await turns(1)
    assert (before, me().cancelling(), me().uncancel()) == (0, 1, 0)


async def test_r13_the_strongest_pending_is_thrown_and_the_others_are_on_record():
    class Soon(Drain):
        level = 15

    me().drain("weak")
    me().send_signal(Soon("strong"))
    with catch(Drain) as caught:
        await turns(1)
    assert caught.signal.reason == "strong"
    assert fates(me()) == [(Drain, Fate.SUPERSEDED), (Soon, Fate.DELIVERED)]


async def test_r13_accept_with_a_weak_user_level_holds_what_is_weaker_still():
    class Hint(Drain):
        level = 5

    with accept(Drain):
        me().send_signal(Hint("psst"))
        await turns(1)
        assert requested(Hint).reason == "psst"


async def test_r13_a_stronger_level_in_accept_changes_nothing():
    with accept(Terminate):
        assert me().threshold == Interrupt.level


# -- R14 ------------------------------------------------------------


async def test_r14_what_a_mask_held_is_thrown_at_the_next_await():
    log = []
    with pytest.raises(Terminate, match="why"):
        with mask(Terminate):
            me().terminate("why")
            await turns(3)
            log.append("undisturbed")
        log.append("after it")
        await turns(1)
        log.append("never")
    assert log == ["undisturbed", "after it"]
    me().uncancel()


async def test_r14_the_end_of_a_mask_throws_nothing():
    """What a masked await has returned is never lost: without a further await the task ends as if nothing had come."""

    async def worker():
        with mask():
            await turns(2)
        return "done"

    task = await started(worker())
    task.terminate("why")
    assert await end_of(task) == "done"
    assert fates(task) == [(Terminate, Fate.PENDING)]


async def test_r14_of_what_a_mask_held_the_strongest_is_thrown():
    with pytest.raises(Terminate, match="strong"):
        with mask(Terminate):
            me().interrupt("weak")
            me().terminate("strong")
            await turns(1)
        await turns(1)
    me().uncancel()


async def test_r14_what_stays_below_the_threshold_stays_held_after_the_mask():
    with mask(Terminate):
        me().drain("why")
    assert requested().reason == "why"


async def test_r14_what_is_above_the_mask_passes():
    async def worker():
        with mask(Interrupt):
            await forever()

    task = await started(worker())
    task.interrupt()
    await turns(2)
    assert not task.done()
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r14_left_by_an_exception_that_one_goes_on_its_way():
    with pytest.raises(ValueError):
        with mask():
            me().terminate("why")
            raise ValueError
    with pytest.raises(Terminate, match="why"):
        await turns(1)
    me().uncancel()


async def test_r14_a_mask_wins_over_an_accept_inside_it():
    with catch(Interrupt) as caught:
        with mask(Interrupt), accept(Drain):
            me().drain()
            me().interrupt("why")
            await turns(2)
            assert me().threshold == Interrupt.level + 1
        await turns(1)
    assert caught.signal.reason == "why"


async def test_r14_a_mask_wins_over_an_accept_around_it():
    with catch(Drain) as caught:
        with accept(Drain):
            with mask(Drain):
                me().drain("why")
                await turns(2)
            await turns(1)
    assert caught.signal.reason == "why"


@pytest.mark.parametrize("outer, inner", [(Terminate, Interrupt), (Interrupt, Terminate)])
async def test_r14_masks_nest_by_maximum(outer, inner):
    with mask(outer), mask(inner):
        assert me().threshold == Terminate.level + 1


async def test_r14_the_inner_end_raises_nothing_that_the_outer_still_holds():
    log = []
    with catch(Terminate):
        with mask(Terminate):
            with mask(Terminate):
                me().terminate()
            await turns(2)
            log.append("still inside")
    assert log == ["still inside"]


def test_r14_a_mask_of_kill_is_a_value_error():
    with pytest.raises(ValueError, match="Kill cannot be held"):
        mask(Kill)


@pytest.mark.parametrize("within", [0, -1, float("nan"), float("inf")])
def test_r14_a_within_that_is_no_time_is_a_value_error(within):
    with pytest.raises(ValueError, match="above 0"):
        mask(within=within)


@pytest.mark.clock
async def test_r14_within_ends_the_protection_early():
    loop = asyncio.get_running_loop()

    async def worker():
        with mask(within=5):
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert loop.time() == 5


@pytest.mark.clock
async def test_r14_after_within_the_block_holds_nothing():
    async def worker():
        with mask(within=5):
            await asyncio.sleep(100)

    task = await started(worker())
    await asyncio.sleep(6)
    task.terminate("why")
    await turns(2)
    assert task.done() and task.ended_by.reason == "why"


@pytest.mark.clock
async def test_r14_within_that_is_not_used_up_leaves_no_timer():
    with mask(within=5):
        await turns(1)
    await asyncio.sleep(10)
    assert me().history == ()


@pytest.mark.clock
async def test_r14_a_signal_in_the_turn_in_which_within_ends_is_thrown_once():
    async def worker():
        with mask(within=5):
            await forever()

    task = await started(worker())
    asyncio.get_running_loop().call_later(5, task.terminate, "why")
    await asyncio.wait([task])
    assert fates(task) == [(Terminate, Fate.DELIVERED)]


@pytest.mark.clock
async def test_r14_within_of_an_inner_mask_leaves_the_outer_one_alone():
    async def worker():
        with mask(Terminate):
            with mask(Terminate, within=5):
                await asyncio.sleep(10)
            await asyncio.sleep(10)
        return "never"

    task = await started(worker())
    task.terminate("why")
    await asyncio.wait([task])
    assert asyncio.get_running_loop().time() == 20


@pytest.mark.clock
async def test_r14_within_over_while_the_task_is_ready_throws_at_its_next_await():
    async def worker():
        with mask(within=5):
            while True:
                await asyncio.sleep(1)

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r14_a_task_spawned_inside_is_covered():
    log, box = [], []

    async def child():
        await turns(4)
        log.append("child undisturbed")

    async def parent():
        with mask():
            box.append(asyncio.create_task(child()))
            await turns(8)
            assert box[0].done() and not box[0].cancelled()

    await started(parent())
    await turns(1)
    box[0].terminate("from outside")
    await turns(12)
    assert log == ["child undisturbed"]


async def test_r14_the_cover_ends_with_the_block():
    async def parent():
        with mask():
            box.append(asyncio.create_task(forever()))
            await turns(4)
            assert not box[0].done()
        await turns(2)
        return box[0].ended_by.reason

    box = []
    task = await started(parent())
    await turns(1)
    box[0].terminate("why")
    assert await task == "why"


async def test_r14_after_the_block_the_child_is_as_open_as_any():
    async def parent():
        with mask():
            inner = asyncio.create_task(forever())
            await turns(1)
        inner.terminate("why")
        return (await end_of(inner)).reason

    assert await asyncio.create_task(parent()) == "why"


async def test_r14_a_grandchild_is_covered_too():
    box = []

    async def child():
        box.append(asyncio.create_task(forever()))
        await turns(10)

    async def parent():
        with mask():
            await started(child())
            await turns(4)
            assert not box[0].done()

    task = await started(parent())
    await turns(1)
    box[0].terminate("why")
    await task
    assert (await end_of(box[0])).reason == "why"


@pytest.mark.clock
async def test_r14_the_end_of_within_uncovers_the_children():
    async def parent():
        with mask(within=5):
            box.append(asyncio.create_task(forever()))
            assert (await end_of(box[0])).reason == "why"
            assert asyncio.get_running_loop().time() == 5

    box = []
    task = await started(parent())
    box[0].terminate("why")
    await task


async def test_r14_a_mask_used_again_by_a_covered_child_is_refused():
    """It stands in the child's list already, as its parent's: in it twice, the list would be a ring."""
    shield = mask(Terminate)

    async def child():
        await turns(3)
        with pytest.raises(RuntimeError, match="make a new one"):
            with shield:
                await turns(1)

    with shield:
        inner = asyncio.create_task(child())
        await turns(1)
    await inner


async def test_r14_a_plain_cancel_passes_a_mask():
    async def worker():
        with mask():
            await forever()

    task = await started(worker())
    task.cancel()
    assert type(await end_of(task)) is asyncio.CancelledError


@pytest.mark.clock
async def test_r14_a_timeout_inside_a_mask_works():
    with mask():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await forever()


async def test_r14_plain_holds_a_plain_cancel_too():
    log = []

    async def worker():
        with mask(plain=True):
            await turns(3)
            log.append("undisturbed")
        await forever()

    task = await started(worker())
    assert task.cancel("msg") is True
    error = await end_of(task)
    assert (type(error), error.args, log) == (asyncio.CancelledError, ("msg",), ["undisturbed"])


async def test_r14_a_held_plain_cancel_counts_in_cancelling():
    with contextlib.suppress(asyncio.CancelledError), mask(plain=True):
        me().cancel()
        inside = me().cancelling()
    assert (inside, me().cancelling(), me().uncancel()) == (1, 1, 0)


async def test_r14_a_held_plain_cancel_that_is_taken_back_is_not_raised():
    with mask(plain=True):
        me().cancel()
        me().uncancel()
    await turns(1)
    assert me().cancelling() == 0


async def test_r14_left_by_an_exception_the_plain_cancel_comes_at_the_next_await():
    with contextlib.suppress(ValueError), mask(plain=True):
        me().cancel()
        raise ValueError
    with pytest.raises(asyncio.CancelledError):
        await turns(1)
    assert me().uncancel() == 0


async def test_r14_a_plain_cancel_of_a_covered_child_comes_when_the_mask_ends():
    with mask(plain=True):
        inner = asyncio.create_task(forever())
        await turns(1)
        inner.cancel()
        await turns(3)
        assert not inner.done()
    await turns(3)
    assert inner.cancelled()


async def test_r14_a_signal_and_a_plain_cancel_held_together_end_the_task():
    async def worker():
        with mask(plain=True):
            await turns(3)
        await forever()

    task = await started(worker())
    task.cancel()
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


# -- R15 ------------------------------------------------------------


async def test_r15_the_callback_gets_the_signal_on_arrival():
    got = []
    with on_signal(Drain, got.append):
        me().drain("why")
        assert [signal.reason for signal in got] == ["why"]
    assert fates(me()) == [(Drain, Fate.HANDLED)]


async def test_r15_a_handled_signal_is_neither_held_nor_thrown():
    with on_signal(Terminate, lambda signal: None):
        me().terminate()
        await turns(2)
        assert (requested(), me().cancelling()) == (None, 0)


async def test_r15_the_callback_takes_subclasses():
    got = []
    with on_signal(Drain, got.append):
        me().send_signal(Reload("conf"))
    assert type(got[0]) is Reload


async def test_r15_other_classes_pass_the_callback_by():
    async def worker():
        with on_signal(Drain, lambda signal: None):
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r15_the_innermost_callback_takes_it():
    got = []
    with on_signal(Drain, lambda s: got.append("outer")), on_signal(Drain, lambda s: got.append("inner")):
        me().drain()
    assert got == ["inner"]


async def test_r15_the_callback_runs_in_the_tasks_context():
    var = contextvars.ContextVar("var", default="outside")
    got = []

    async def worker():
        var.set("inside")
        with on_signal(Drain, lambda s: got.append(var.get())):
            await turns(4)

    task = await started(worker())
    task.drain()
    await task
    assert got == ["inside"]


async def test_r15_a_task_that_signals_itself_runs_the_callback_in_its_context():
    var = contextvars.ContextVar("var", default="outside")
    got = []
    var.set("mine")
    with on_signal(Drain, lambda s: got.append(var.get())):
        me().drain()
    assert got == ["mine"]


async def test_r15_an_exception_in_a_callback_goes_to_the_loops_handler():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    error = ValueError("broken")

    def fails(signal):
        raise error

    with on_signal(Drain, fails):
        me().drain("why")
        assert told == [error]
        assert requested().reason == "why"  # as if there were no callback


async def test_r15_an_exception_in_a_callback_of_a_callback_goes_to_the_loops_handler():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(type(context["exception"])))

    async def worker():
        with on_signal(Drain, lambda signal: task.interrupt()), on_signal(Interrupt, lambda signal: 1 / 0):
            await forever()

    task = await started(worker())
    task.drain()
    await asyncio.wait([task])
    assert told == [ZeroDivisionError]


async def test_r15_after_an_exception_in_a_callback_the_signal_is_thrown():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    async def worker():
        with on_signal(Terminate, lambda signal: 1 / 0):
            await forever()

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r15_a_callback_may_send_another_signal_to_the_task():
    async def worker():
        with on_signal(Drain, lambda signal: task.terminate("second")):
            await forever()

    task = await started(worker())
    task.drain("first")
    assert (await end_of(task)).reason == "second"


async def test_r15_a_callback_that_sends_its_own_signal_again_is_stopped():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    with on_signal(Drain, lambda signal: me().drain()):
        me().drain()


async def test_r15_a_kill_has_no_callback():
    with pytest.raises(ValueError):
        on_signal(Kill, print)
    task = await started(_handles_all())
    task.kill("why")
    assert (await end_of(task)).reason == "why"


async def _handles_all():
    with on_signal(Signal, lambda signal: None):
        await forever()


# -- R16 ------------------------------------------------------------


async def test_r16_catch_ends_the_block_and_keeps_the_signal():
    with catch(Interrupt) as caught:
        me().interrupt("why")
        await forever()
    assert caught.signal.reason == "why"


async def test_r16_catch_takes_the_request_back():
    with catch(Interrupt):
        me().interrupt()
        await forever()
    assert me().cancelling() == 0
    await turns(2)


async def test_r16_a_block_that_ends_by_itself_has_caught_nothing():
    with catch(Interrupt) as caught:
        await turns(1)
    assert caught.signal is None


async def test_r16_catch_takes_subclasses_and_leaves_the_rest():
    with catch(Drain) as caught, accept(Drain):
        me().send_signal(Reload("conf"))
        await forever()
    assert type(caught.signal) is Reload
    with pytest.raises(Terminate):
        with catch(Interrupt):
            me().terminate()
            await forever()
    me().uncancel()


async def test_r16_what_killed_an_awaited_task_is_not_caught():
    inner = await started(forever())
    inner.interrupt("not yours")
    with pytest.raises(Interrupt):
        with catch(Interrupt):
            await inner
    assert me().cancelling() == 0


async def test_r16_a_signal_of_mine_that_ended_the_task_i_await_is_caught():
    async def worker():
        with catch(Interrupt) as caught:
            await asyncio.create_task(forever())
        return caught.signal.reason, me().cancelling()

    task = await started(worker())
    await turns(1)
    task.interrupt("why")
    assert await task == ("why", 0)


async def test_r16_a_kill_is_not_caught():
    with pytest.raises(ValueError):
        catch(Kill)


async def test_r16_catch_signal_takes_any_but_a_kill():
    async def worker():
        while True:
            with catch(Signal):
                await forever()

    task = await started(worker())
    for send in (task.interrupt, task.terminate):
        send()
        await turns(2)
        assert not task.done()
    task.kill("why")
    assert (await end_of(task)).reason == "why"


async def test_r16_a_signal_raised_by_hand_in_the_block_is_caught():
    with catch(Interrupt) as caught:
        raise Interrupt("mine")
    assert caught.signal.reason == "mine"


async def test_r16_with_a_plain_cancel_in_the_same_turn_the_block_raises_that():
    async def worker():
        with catch(Interrupt):
            await forever()
        return "never"

    task = await started(worker())
    task.interrupt()
    task.cancel()
    assert type(await end_of(task)) is asyncio.CancelledError
    assert task.ended_by is None


async def test_r16_after_a_catch_the_next_signal_of_that_level_is_caught_again():
    async def worker():
        return [await _caught_reason() for _ in range(3)]

    task = await started(worker())
    for reason in "abc":
        task.interrupt(reason)
        await turns(2)
    assert await task == ["a", "b", "c"]


async def _caught_reason():
    with catch(Interrupt) as caught:
        await forever()
    return caught.signal.reason


async def test_r16_catch_around_a_mask_takes_what_it_held():
    with catch(Terminate) as caught:
        with mask(Terminate):
            me().terminate("why")
            await turns(1)
        await turns(1)
    assert (caught.signal.reason, me().cancelling()) == ("why", 0)


async def test_r16_caught_inside_the_handler_of_a_weaker_one_the_weaker_stays_in_force():
    async def worker():
        try:
            await forever()
        except Interrupt:
            with catch(Terminate):
                await forever()
            me().interrupt("again")  # absorbed: the first is still in force
            await turns(2)
            return me().cancelling()

    task = await started(worker())
    task.interrupt()
    await turns(2)
    task.terminate()
    assert await task == 1


# -- R17 ------------------------------------------------------------

BLOCKS = [lambda: accept(Drain), lambda: mask(), lambda: on_signal(Drain, print), lambda: catch(Interrupt)]
EVERY_BLOCK = pytest.mark.parametrize("make", BLOCKS, ids=["accept", "mask", "on_signal", "catch"])


@EVERY_BLOCK
async def test_r17_entered_in_one_task_and_left_in_another_it_says_so(make):
    block = make()

    async def enters():
        block.__enter__()
        await forever()

    task = await started(enters())
    with pytest.raises(RuntimeError, match="must open and close in one task"):
        block.__exit__(None, None, None)
    task.kill()


@EVERY_BLOCK
async def test_r17_left_without_being_entered_it_says_so(make):
    with pytest.raises(RuntimeError, match="is not open"):
        make().__exit__(None, None, None)


@EVERY_BLOCK
async def test_r17_entered_twice_it_says_so(make):
    with make() as _, pytest.raises(RuntimeError, match="make a new one"):
        block = make()
        with block, block:
            pass


async def test_r17_an_abandoned_async_generator_is_told_about_pep_789():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(str(context["exception"])))

    async def generates():
        with accept(Drain):
            yield 1
            yield 2

    async def abandons():
        async for _ in generates():
            break

    await asyncio.create_task(abandons())
    await turns(5)
    gc.collect()  # an eager task's error is told of when the task is collected, as in asyncio
    assert len(told) == 1 and "PEP 789" in told[0]


async def test_r17_in_an_asynccontextmanager_it_is_fine():
    @contextlib.asynccontextmanager
    async def protected():
        with mask():
            yield

    with catch(Terminate) as caught:
        async with protected():
            me().terminate("why")
            await turns(1)
        await turns(1)
    assert caught.signal.reason == "why"


async def test_r17_a_block_that_leaks_ends_with_its_task():
    async def leaks():
        mask().__enter__()
        return asyncio.create_task(forever())

    child = await asyncio.create_task(leaks())
    await turns(1)
    child.terminate("why")
    await turns(3)
    assert child.done()


@EVERY_BLOCK
async def test_r17_each_block_decorates_an_async_function(make):
    @make()
    async def double(x):
        """Twice."""
        await turns(1)
        return 2 * x

    assert await double(3) == 6
    assert await asyncio.gather(double(1), double(2)) == [2, 4]
    assert (double.__name__, double.__doc__) == ("double", "Twice.")


async def test_r17_a_decorated_function_is_masked():
    @mask(Terminate)
    async def books():
        await turns(3)
        log.append("booked")

    async def worker():
        await books()
        await forever()

    log = []
    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert log == ["booked"]


async def test_r17_a_decorated_function_that_catches_returns_none():
    @catch(Interrupt)
    async def waits():
        await forever()

    task = await started(waits())
    task.interrupt()
    assert await task is None


def test_a_delivery_prints_its_signal_and_its_fate():
    assert repr(Delivery(Drain("why"), None, None, None)) == "<Drain('why', level=10) pending>"


async def test_r14_what_the_masks_owner_sends_arrives():
    with mask():
        inner = await started(forever())
        inner.terminate("from inside")
        assert (await end_of(inner)).reason == "from inside"


async def test_r14_what_comes_from_another_task_under_the_mask_arrives():
    async def stops(other):
        other.terminate("from inside")
        await turns(2)

    with mask():
        inner = await started(forever())
        await asyncio.create_task(stops(inner))
        assert (await end_of(inner)).reason == "from inside"


async def test_r14_a_mask_inside_the_owners_holds_what_the_owner_sends():
    async def child():
        with mask():
            box.append(await started(forever()))
            await turns(4)

    box = []
    with mask():
        inner = await started(child())
        await turns(1)
        box[0].terminate("from outside of the inner one")
        await turns(1)
        assert not box[0].done()
        await inner
    assert (await end_of(box[0])).reason == "from outside of the inner one"


async def test_r14_a_rollback_in_a_second_mask_is_whole():
    async def worker():
        try:
            with mask(Terminate):
                await turns(2)
                raise OSError
        except OSError:
            with mask(Terminate):
                await turns(3)
                log.append("undone")
        await forever()

    log = []
    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert log == ["undone"]


async def test_r14_a_loop_in_which_every_await_is_masked_is_never_reached():
    async def worker():
        for _ in range(50):
            with mask(Terminate):
                await turns(1)
        return "through"

    task = await started(worker())
    task.terminate()
    assert await end_of(task) == "through"


async def test_r14_one_bare_await_in_such_a_loop_is_enough():
    async def worker():
        while True:
            with mask(Terminate):
                await turns(1)
            await asyncio.sleep(0)

    task = await started(worker())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r14_generations_of_tasks_do_not_pile_up_the_masks_of_their_ancestors():
    async def generation(left):
        with mask():
            await turns(1)
            return asyncio.create_task(generation(left - 1)) if left else asyncio.current_task()

    task = asyncio.create_task(generation(100))
    while (next_one := await task) is not task:
        task = next_one
    assert len(task._mailbox().covers) <= 1


async def test_r14_a_mask_remembers_each_covered_task_once_however_often_it_is_cancelled():
    async def parent():
        block = mask(plain=True)
        with block:
            inner = await started(turns(30))
            for _ in range(20):
                inner.cancel()
            assert len(block._waiting) == 1
            await turns(40)

    await asyncio.create_task(parent())


@EVERY_BLOCK
async def test_r17_left_out_of_order_it_is_closed_and_says_so(make):
    outer, inner = make(), mask()
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="close that one first"):
        outer.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="is not open"):
        outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert me()._mailbox().blocks == ()
