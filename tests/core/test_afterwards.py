"""R21 to R23: what a task remembers, what its awaiters see, and the counts. And that nothing keeps a task alive."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import sys
import weakref

import pytest
from tasks import fates, forever, me, started

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
    on_signal,
)
from sigtask.testing import turns

# -- R21 ------------------------------------------------------------


async def test_r21_a_task_that_was_sent_nothing_has_no_history():
    task = await started(turns(2))
    await task
    assert (task.history, task.ended_by) == ((), None)


async def test_r21_history_has_every_signal_in_order_and_its_fate():
    async def worker():
        with contextlib.suppress(Interrupt), on_signal(Drain, lambda signal: None):
            await forever()
        with contextlib.suppress(Interrupt):
            await turns(8)
        await turns(8)

    task = await started(worker())
    task.drain()
    task.interrupt()
    await turns(2)
    task.interrupt()
    await turns(2)
    task.drain()
    task.terminate()
    assert task.history[-1].fate is Fate.IN_FLIGHT
    await asyncio.wait([task])
    task.kill()
    assert fates(task) == [
        (Drain, Fate.HANDLED),
        (Interrupt, Fate.DELIVERED),
        (Interrupt, Fate.DELIVERED),
        (Drain, Fate.PENDING),
        (Terminate, Fate.DELIVERED),
        (Kill, Fate.REFUSED),
    ]


async def test_r21_a_superseded_signal_is_on_record():
    task = await started(forever())
    task.interrupt("weak")
    task.terminate("strong")
    await asyncio.wait([task])
    assert fates(task) == [(Interrupt, Fate.SUPERSEDED), (Terminate, Fate.DELIVERED)]


async def test_r21_a_signal_that_is_held_already_is_absorbed():
    task = await started(turns(4))
    task.drain("one")
    task.drain("two")
    await task
    assert fates(task) == [(Drain, Fate.PENDING), (Drain, Fate.ABSORBED)]


async def test_r21_a_pending_signal_changes_its_fate_when_it_is_thrown():
    async def worker():
        with mask():
            await turns(3)
        await forever()

    task = await started(worker())
    task.terminate()
    assert fates(task) == [(Terminate, Fate.PENDING)]
    await asyncio.wait([task])
    assert fates(task) == [(Terminate, Fate.DELIVERED)]


async def test_r21_a_task_remembers_as_many_signals_as_a_person_would_look_at():
    """Twenty: what was delivered stays longest, then the strongest, then the latest."""
    with contextlib.suppress(Terminate):
        me().terminate("delivered")
        await turns(1)
    with on_signal(Drain, lambda signal: None):
        for n in range(100):
            me().drain(n)
    reasons = [one.signal.reason for one in me().history]
    assert reasons == ["delivered", *range(81, 100)]


async def test_r21_what_is_pending_is_not_forgotten():
    task = me()
    task.drain("pending")
    for _ in range(30):
        with contextlib.suppress(Interrupt):
            task.interrupt()
            await turns(1)
    assert task.history[0].signal.reason == "pending"


async def test_r21_the_reasons_of_signals_that_are_forgotten_are_let_go():
    class Large(Exception):
        pass

    reasons = weakref.WeakSet()
    for _ in range(100):
        with contextlib.suppress(Interrupt):
            reasons.add(reason := Large())
            me().interrupt(reason)
            del reason
            await turns(1)
    gc.collect()
    assert len(reasons) == len(me().history) == 20


async def test_r21_ended_by_is_none_while_the_task_runs():
    task = await started(forever())
    task.terminate()
    assert task.ended_by is None
    await asyncio.wait([task])


async def test_r21_ended_by_is_the_signal_that_ended_it():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    assert (type(task.ended_by), task.ended_by.reason, task.ended_by.target) == (Terminate, "why", task)


@pytest.mark.parametrize("end", ["return", "exception", "plain cancel", "swallowed"])
async def test_r21_ended_by_is_none_when_it_ended_in_another_way(end):
    async def worker():
        try:
            await turns(3)
        except Terminate:
            return
        if end == "exception":
            raise ValueError

    task = await started(worker())
    if end == "plain cancel":
        task.cancel()
    if end == "swallowed":
        task.terminate()
    await asyncio.wait([task])
    assert task.ended_by is None
    if end == "exception":
        assert isinstance(task.exception(), ValueError)


async def test_r21_a_fresh_cancelled_error_in_a_cleanup_does_not_hide_the_signal():
    """Trap 24: libraries raise their own CancelledError in place of the one they got."""

    async def worker():
        try:
            await forever()
        except asyncio.CancelledError:
            raise asyncio.CancelledError from None

    task = await started(worker())
    task.terminate("why")
    await asyncio.wait([task])
    assert task.ended_by.reason == "why"
    with pytest.raises(Terminate, match="why"):
        await task


async def test_r21_a_delivery_says_where_the_signal_was_caught():
    async def worker():
        try:
            await forever()
        except Terminate:
            await turns(2)

    task = await started(worker())
    task.terminate()
    await task
    assert task.history[0].caught_at.startswith(__file__)


# -- R22 ------------------------------------------------------------


async def sees(task):
    try:
        await task
    except BaseException as error:
        return type(error), getattr(error, "reason", None)


@pytest.mark.parametrize("cls", [Interrupt, Terminate, Kill])
async def test_r22_the_first_and_the_tenth_awaiter_see_the_same(cls):
    task = await started(forever())
    awaiters = [await started(sees(task)) for _ in range(10)]
    task.send_signal(cls("why"))
    assert [await awaiter for awaiter in awaiters] == [(cls, "why")] * 10


async def test_r22_each_awaiter_has_an_instance_of_its_own():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    seen = []
    for _ in range(3):
        try:
            await task
        except Terminate as error:
            seen.append(error)
    assert len({id(error) for error in seen}) == 3


async def test_r22_a_task_that_is_done_may_be_awaited_twice():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    assert [await sees(task), await sees(task)] == [(Terminate, "why")] * 2


async def test_r22_result_twice_raises_it_twice():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    for _ in range(2):
        with pytest.raises(Terminate, match="why"):
            task.result()


async def test_r22_exception_raises_it_too():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    for _ in range(2):
        with pytest.raises(Terminate, match="why"):
            task.exception()


async def test_r22_gather_sees_it():
    tasks = [await started(forever()) for _ in range(2)]
    together = asyncio.gather(*tasks)
    tasks[1].terminate("why")
    assert await sees(together) == (Terminate, "why")
    tasks[0].kill()


async def test_r22_reading_ended_by_first_takes_nothing_from_the_awaiters():
    task = await started(forever())
    task.terminate("why")
    await asyncio.wait([task])
    assert task.ended_by.reason == "why"
    assert [await sees(task), await sees(task)] == [(Terminate, "why")] * 2


async def test_r22_the_first_awaiter_sees_where_the_task_stood():
    task = await started(forever())
    task.terminate("why")
    with pytest.raises(Terminate) as info:
        await task
    assert "forever" in [entry.name for entry in info.traceback]


async def test_r22_wait_for_shows_it():
    task = await started(forever())
    waiting = await started(sees(asyncio.wait_for(task, 5)))
    task.terminate("why")
    assert await waiting == (Terminate, "why")


async def test_r22_the_cause_is_seen_by_every_awaiter():
    reason = OSError("no space")
    task = await started(forever())
    task.terminate(reason)
    for _ in range(3):
        with pytest.raises(Terminate) as info:
            await task
        assert info.value.__cause__ is reason


async def test_r22_a_plain_cancel_stays_as_in_asyncio():
    task = await started(forever())
    task.cancel("bye")
    with pytest.raises(asyncio.CancelledError) as info:
        await task
    assert (type(info.value), info.value.args) == (asyncio.CancelledError, ("bye",))


# -- R23: counts; the scopes are in test_scopes.py ------------------------------------------------------------


async def test_r23_a_signal_counts_as_one_request():
    task = await started(forever())
    task.terminate()
    assert (task.cancelling(), task.uncancel()) == (1, 0)
    task.kill()
    await asyncio.wait([task])


async def test_r23_a_held_or_handled_signal_is_no_request():
    with on_signal(Interrupt, lambda signal: None):
        me().drain()
        me().interrupt()
        assert me().cancelling() == 0


async def test_r23_an_absorbed_signal_is_no_request():
    async def worker():
        try:
            await forever()
        except Terminate:
            me().terminate("again")
            return me().cancelling()

    task = await started(worker())
    task.terminate()
    assert await task == 1


async def test_r23_uncancel_never_goes_below_zero():
    assert [me().uncancel() for _ in range(3)] == [0, 0, 0]
    me().drain()
    assert me().uncancel() == 0


async def test_r23_two_signals_in_force_count_two():
    async def worker():
        try:
            await forever()
        except Interrupt:
            try:
                await forever()
            except Terminate:
                counts = [me().cancelling(), me().uncancel(), me().uncancel()]
        await turns(2)
        return counts

    task = await started(worker())
    task.interrupt()
    await turns(2)
    task.terminate()
    assert await task == [2, 1, 0]


async def test_r23_a_signal_that_a_mask_held_counts_one_when_it_is_thrown():
    with contextlib.suppress(Terminate):
        with mask():
            me().terminate()
        before = me().cancelling()
        await turns(1)
    assert (before, me().cancelling(), me().uncancel(), me().cancelling()) == (0, 1, 0, 0)


async def test_r23_a_plain_cancel_and_a_signal_in_one_turn_count_two():
    task = await started(forever())
    task.cancel()
    task.terminate()
    assert task.cancelling() == 2
    await asyncio.wait([task])


# -- the user's coroutine, never the shim ------------------------------------------------------------


async def test_repr_shows_the_users_coroutine():
    task = await started(forever(), name="worker")
    assert "forever" in repr(task) and "worker" in repr(task) and "Shim" not in repr(task)
    task.kill()


async def test_repr_after_the_first_signal_and_after_the_end_shows_it_too():
    task = await started(forever())
    task.terminate()
    assert "forever" in repr(task) and "Shim" not in repr(task)
    await asyncio.wait([task])
    assert "Shim" not in repr(task) and repr(task).startswith("<Task cancelled")


async def test_get_coro_is_the_users_coroutine():
    coro = forever()
    task = await started(coro)
    assert task.get_coro() is coro
    task.kill()


async def test_get_stack_shows_the_users_frames():
    task = await started(forever())
    assert [frame.f_code.co_name for frame in task.get_stack()] == ["forever"]
    task.kill()


async def test_print_stack_shows_the_users_code():
    task = await started(forever())
    out = io.StringIO()
    task.print_stack(file=out)
    assert "in forever" in out.getvalue() and "_shim" not in out.getvalue()
    task.kill()


async def test_a_traceback_of_a_failed_task_has_the_users_frames_only():
    async def fails():
        await turns(1)
        raise ValueError

    task = await started(fails())
    await asyncio.wait([task])
    trace, names = task.exception().__traceback__, []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names == ["fails"]


async def test_all_tasks_and_current_task_give_sigtasks_tasks():
    task = await started(forever())
    assert {task, me()} <= asyncio.all_tasks()
    assert isinstance(me(), Task)
    task.kill()


async def test_create_task_takes_a_name_and_a_context():
    import contextvars

    var = contextvars.ContextVar("var")
    context = contextvars.copy_context()
    context.run(var.set, "mine")

    async def reads():
        return var.get()

    task = asyncio.create_task(reads(), name="reader", context=context)
    assert (await task, task.get_name()) == ("mine", "reader")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs asyncio's call graph")
async def test_capture_call_graph_shows_the_users_frames_and_who_awaits():
    async def outer():
        await inner

    inner = await started(forever())
    task = await started(outer())
    graph = asyncio.capture_call_graph(inner)
    assert [entry.frame.f_code.co_name for entry in graph.call_stack] == ["forever"]
    assert [call.future for call in graph.awaited_by] == [task]
    task.kill()


async def test_a_users_subclass_of_task_works():
    class Named(Task):
        @property
        def shout(self):
            return self.get_name().upper()

    task = Named(forever(), name="worker")
    await turns(1)
    task.terminate("why")
    assert await sees(task) == (Terminate, "why")
    assert (task.shout, type(task)) == ("WORKER", Named)


# -- nothing keeps a task alive ------------------------------------------------------------


async def returns():
    await turns(1)


async def fails():
    await turns(1)
    raise ValueError("broken")


async def fails_with_a_reason():
    try:
        await forever()
    except Terminate as error:
        raise error.reason from None


async def cleans_up():
    try:
        await forever()
    finally:
        await turns(1)


async def masked():
    with mask():
        await turns(3)


async def accepts():
    await turns(3)
    with accept(Drain):
        await forever()


async def catches_with_a_plain_cancel():
    with catch(Terminate):
        await forever()


async def raises_by_hand():
    await turns(1)
    raise Terminate("I give up")


async def misuses():
    await turns(1)
    mask().__exit__(None, None, None)


async def awaits_another():
    await asyncio.create_task(forever())


async def swallows():
    while True:
        with contextlib.suppress(BaseException):
            await forever()


def nothing(task): ...


def plain(task):
    task.cancel()


def terminate(task):
    task.terminate("why")


def kill(task):
    task.kill("why")


def exception_as_reason(task):
    task.terminate(OSError("no space"))


def drain(task):
    task.drain("why")


def terminate_and_cancel(task):
    task.terminate()
    task.cancel()


ENDS = [
    (returns, nothing),
    (fails, nothing),
    (forever, plain),
    (forever, terminate),
    (forever, kill),
    (forever, exception_as_reason),
    (fails_with_a_reason, exception_as_reason),
    (cleans_up, terminate),
    (cleans_up, kill),
    (masked, terminate),
    (accepts, drain),
    (catches_with_a_plain_cancel, terminate_and_cancel),
    (raises_by_hand, nothing),
    (misuses, nothing),
    (awaits_another, terminate),
    (awaits_another, kill),
    (swallows, kill),
]


@pytest.mark.parametrize("look", ["not looked at", "ended_by", "result", "awaited"])
@pytest.mark.parametrize(("body", "do"), ENDS, ids=[f"{body.__name__}-{do.__name__}" for body, do in ENDS])
async def test_a_done_task_is_freed_at_once_without_the_collector(body, do, look):
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    gc.disable()
    try:
        task = asyncio.create_task(body())
        await turns(2)
        do(task)
        await asyncio.wait([task])
        with contextlib.suppress(Signal, asyncio.CancelledError, Exception):
            if look == "ended_by":
                assert task.ended_by is None or task.ended_by.reason
            elif look == "result":
                task.result()
            elif look == "awaited":
                await task
        await turns(2)
        dead = weakref.ref(task)
        del task
        await turns(1)
        assert dead() is None
    finally:
        gc.enable()
