"""R3 to R10: how a signal is sent, which of several wins, and how far it travels."""

from __future__ import annotations

import asyncio
import gc
import os
import signal as os_signal
import sys
import threading

import pytest
from tasks import end_of, fates, forever, me, started

import sigtask
from sigtask import Drain, Fate, Interrupt, Kill, Task, Terminate, accept, catch, mask
from sigtask.testing import turns

EAGER = {"eager_start": True} if sys.version_info >= (3, 12) else {}


async def cleans_up(seen, seconds=1.0):
    """Waits for ever; its cleanup takes a while; `seen` gets what is thrown in, in order."""
    try:
        await forever()
    except asyncio.CancelledError as error:
        seen.append(type(error))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError as second:
            seen.append(type(second))
            raise
        seen.append("clean")
        raise


# -- R3 ------------------------------------------------------------


async def test_r3_send_signal_takes_a_class():
    task = await started(forever())
    assert task.send_signal(Terminate) is True
    assert type(await end_of(task)) is Terminate


async def test_r3_send_signal_takes_an_instance():
    task = await started(forever())
    task.send_signal(Terminate("why"))
    assert (await end_of(task)).reason == "why"


async def test_r3_send_signal_to_a_done_task_is_false():
    task = await started(turns(0))
    await task
    assert task.send_signal(Terminate) is False


@pytest.mark.parametrize(("name", "cls"), [("interrupt", Interrupt), ("terminate", Terminate), ("kill", Kill)])
async def test_r3_the_short_forms_send_their_signal_with_the_reason(name, cls):
    task = await started(forever())
    assert getattr(task, name)("why") is True
    error = await end_of(task)
    assert (type(error), error.reason) == (cls, "why")


async def test_r3_drain_is_a_short_form_too():
    task = await started(forever())
    assert task.drain("why") is True
    assert fates(task) == [(Drain, Fate.PENDING)]
    task.kill()


# -- R4 ------------------------------------------------------------


async def test_r4_cancel_without_a_reason_is_asyncios():
    task = await started(forever())
    assert task.cancel() is True
    error = await end_of(task)
    assert (type(error), error.args, task.history) == (asyncio.CancelledError, (), ())


async def test_r4_cancel_with_a_msg_is_asyncios():
    task = await started(forever())
    task.cancel("bye")
    error = await end_of(task)
    assert (type(error), error.args) == (asyncio.CancelledError, ("bye",))


async def test_r4_cancel_on_a_done_task_is_false():
    task = await started(turns(0))
    await task
    assert (task.cancel(), task.cancel(reason="late"), task.cancel(Terminate())) == (False, False, False)


@pytest.mark.parametrize("how", ["reason", "msg"])
async def test_r4_a_signal_as_reason_or_as_msg_is_that_signal(how):
    task = await started(forever())
    assert task.cancel(**{how: Interrupt("why")}) is True
    error = await end_of(task)
    assert (type(error), error.reason) == (Interrupt, "why")


async def test_r4_a_signal_class_as_reason_is_that_signal():
    task = await started(forever())
    task.cancel(reason=Interrupt)
    assert type(await end_of(task)) is Interrupt


async def test_r4_any_other_reason_is_a_terminate_of_it():
    task = await started(forever())
    task.cancel(reason="disk full")
    error = await end_of(task)
    assert (type(error), error.reason) == (Terminate, "disk full")


async def test_r4_a_signal_travels_through_gather():
    children = [await started(forever()) for _ in range(3)]
    together = asyncio.gather(*children)
    together.cancel(Terminate("why"))
    assert [type(await end_of(child)) for child in children] == [Terminate] * 3
    with pytest.raises(asyncio.CancelledError):
        await together


# -- R5 ------------------------------------------------------------


@pytest.mark.clock
async def test_r5_a_repeat_does_not_disturb_the_cleanup():
    seen = []
    task = await started(cleans_up(seen))
    for _ in range(3):
        task.terminate()
        await turns(3)
    await asyncio.wait([task])
    assert seen == [Terminate, "clean"]
    assert [fate for _, fate in fates(task)] == [Fate.DELIVERED, Fate.ABSORBED, Fate.ABSORBED]


@pytest.mark.clock
async def test_r5_a_weaker_one_does_not_disturb_the_cleanup():
    seen = []
    task = await started(cleans_up(seen))
    task.terminate()
    await turns(3)
    task.interrupt()
    await asyncio.wait([task])
    assert seen == [Terminate, "clean"]
    assert fates(task)[-1] == (Interrupt, Fate.ABSORBED)


async def test_r5_a_stronger_one_is_thrown_into_the_cleanup():
    seen = []
    task = await started(cleans_up(seen))
    task.interrupt()
    await turns(3)
    task.terminate()
    await asyncio.wait([task])
    assert seen == [Interrupt, Terminate]


async def test_r5_a_plain_cancel_is_thrown_into_the_cleanup_as_in_asyncio():
    seen = []
    task = await started(cleans_up(seen))
    task.terminate()
    await turns(3)
    task.cancel()
    await asyncio.wait([task])
    assert seen == [Terminate, asyncio.CancelledError]


async def test_r5_a_signal_goes_into_the_cleanup_of_a_plain_cancel():
    seen = []
    task = await started(cleans_up(seen))
    task.cancel()
    await turns(3)
    task.interrupt()
    await asyncio.wait([task])
    assert seen == [asyncio.CancelledError, Interrupt]


async def test_r5_once_taken_back_the_same_level_is_thrown_again():
    seen = []

    async def worker():
        while len(seen) < 3:
            try:
                await forever()
            except Interrupt:
                seen.append(asyncio.current_task().uncancel())

    task = await started(worker())
    for _ in range(3):
        task.interrupt()
        await turns(2)
    await task
    assert seen == [0, 0, 0]


# -- R6 ------------------------------------------------------------

BOTH_ORDERS = pytest.mark.parametrize("first, second", [(Interrupt, Terminate), (Terminate, Interrupt)])


@BOTH_ORDERS
async def test_r6_the_strongest_of_one_turn_is_thrown_into_a_blocked_task(first, second):
    task = await started(forever())
    task.send_signal(first)
    task.send_signal(second)
    assert type(await end_of(task)) is Terminate
    assert sorted(d.fate.value for d in task.history) == ["delivered", "superseded"]


@BOTH_ORDERS
async def test_r6_the_strongest_of_one_turn_is_thrown_into_a_ready_task(first, second):
    wake = asyncio.get_running_loop().create_future()

    async def worker():
        await wake
        await forever()

    task = await started(worker())
    wake.set_result(None)
    task.send_signal(first)
    task.send_signal(second)
    assert type(await end_of(task)) is Terminate


@pytest.mark.lazy
@BOTH_ORDERS
async def test_r6_the_strongest_of_one_turn_is_thrown_into_an_unstarted_task(first, second):
    task = asyncio.create_task(forever())
    task.send_signal(first)
    task.send_signal(second)
    assert type(await end_of(task)) is Terminate


@BOTH_ORDERS
async def test_r6_the_strongest_of_one_turn_is_thrown_into_a_running_task(first, second):
    async def worker():
        await turns(1)
        asyncio.current_task().send_signal(first)
        asyncio.current_task().send_signal(second)
        await forever()

    assert type(await end_of(await started(worker()))) is Terminate


@pytest.mark.parametrize("order", ["signal first", "cancel first"])
async def test_r6_a_plain_cancel_in_the_same_turn_does_not_lose_the_signal(order):
    task = await started(forever())
    calls = [task.terminate, task.cancel]
    for call in calls if order == "signal first" else reversed(calls):
        call()
    assert type(await end_of(task)) is Terminate


async def test_r6_a_held_signal_is_on_record_in_a_task_that_never_looks():
    task = await started(turns(3))
    task.drain("why")
    await task
    assert fates(task) == [(Drain, Fate.PENDING)]


# -- R7 ------------------------------------------------------------


@pytest.mark.lazy
async def test_r7_a_task_signalled_before_its_first_step_never_runs():
    ran = []

    async def worker():
        ran.append(True)

    task = asyncio.create_task(worker())
    task.interrupt("too late")
    assert type(await end_of(task)) is Interrupt
    assert ran == []


@pytest.mark.lazy
async def test_r7_a_drain_before_the_first_step_is_held_and_the_body_runs():
    async def worker():
        return "ran"

    task = asyncio.create_task(worker())
    task.drain()
    assert await task == "ran"


# -- R8 ------------------------------------------------------------


async def test_r8_a_signal_goes_on_to_the_awaited_task():
    inner = await started(forever())

    async def outer():
        await inner

    task = await started(outer())
    task.terminate("why")
    assert (await end_of(inner)).reason == "why"
    assert (await end_of(task)).reason == "why"


async def test_r8_each_task_of_a_chain_gets_a_copy_of_its_own():
    inner = await started(forever())

    async def outer():
        await inner

    task = await started(outer())
    task.terminate("why")
    await asyncio.wait([task])
    assert (inner.ended_by.target, task.ended_by.target) == (inner, task)
    assert inner.ended_by.origin is task.ended_by.origin


async def test_r8_taken_by_the_awaited_task_it_is_consumed():
    async def takes_it():
        try:
            await forever()
        except Interrupt:
            return "taken"

    inner = await started(takes_it())

    async def outer():
        return await inner, asyncio.current_task().cancelling()

    task = await started(outer())
    task.interrupt()
    assert await task == ("taken", 0)
    assert fates(task) == [(Interrupt, Fate.CONSUMED)]


@pytest.mark.clock
async def test_r8_the_awaited_task_may_take_its_time_to_take_it():
    async def takes_it():
        try:
            await forever()
        except Interrupt:
            await asyncio.sleep(5)
            return "taken"

    inner = await started(takes_it())

    async def outer():
        return await inner

    task = await started(outer())
    task.interrupt()
    assert await task == "taken"


async def test_r8_a_kill_is_never_consumed():
    async def takes_it():
        try:
            await forever()
        except Kill:
            return "taken"

    inner = await started(takes_it())

    async def outer():
        await inner

    task = await started(outer())
    task.kill("why")
    assert (type(await end_of(task)), type(await end_of(inner))) == (Kill, Kill)


async def test_r8_an_error_of_the_awaited_task_passes_and_consumes_the_signal():
    async def fails():
        try:
            await forever()
        except Interrupt:
            raise ValueError("broken") from None

    inner = await started(fails())

    async def outer():
        try:
            await inner
        except ValueError:
            return asyncio.current_task().cancelling()

    task = await started(outer())
    task.interrupt()
    assert await task == 0


async def test_r8_what_the_awaited_task_holds_comes_when_the_await_ends():
    log = []

    async def books():
        with mask(Terminate):
            await turns(5)
            log.append("booked")
        return "done"

    inner = await started(books())

    async def outer():
        await inner

    task = await started(outer())
    task.terminate("why")
    assert type(await end_of(task)) is Terminate
    assert log == ["booked"] and await inner == "done"


async def test_r8_a_drain_is_thrown_where_the_awaited_task_accepts_it():
    async def accepts():
        with accept(Drain):
            await forever()

    inner = await started(accepts())

    async def outer():
        with accept(Drain):
            await inner

    task = await started(outer())
    task.drain("why")
    assert (type(await end_of(inner)), type(await end_of(task))) == (Drain, Drain)


async def test_r8_a_drain_that_the_awaiter_holds_does_not_go_on():
    inner = await started(forever())

    async def outer():
        await inner

    task = await started(outer())
    task.drain()
    await turns(3)
    assert inner.history == ()
    task.kill()


@pytest.mark.clock
async def test_r8_a_stronger_signal_overtakes_one_that_is_being_taken():
    seen = []
    inner = await started(cleans_up(seen, 100))

    async def outer():
        await inner

    task = await started(outer())
    task.interrupt()
    await turns(3)
    task.terminate("enough")
    assert type(await end_of(task)) is Terminate
    assert seen == [Interrupt, Terminate]


async def test_r8_through_shield_the_inner_task_stays():
    inner = await started(forever())

    async def outer():
        await asyncio.shield(inner)

    task = await started(outer())
    task.terminate("why")
    assert (await end_of(task)).reason == "why"
    assert not inner.done() and inner.history == ()
    inner.kill()


async def test_r8_through_gather_every_child_gets_it():
    children = [await started(forever()) for _ in range(3)]

    async def outer():
        await asyncio.gather(*children)

    task = await started(outer())
    task.interrupt("why")
    assert (await end_of(task)).reason == "why"
    assert [(await end_of(child)).reason for child in children] == ["why"] * 3


# -- R9 ------------------------------------------------------------


async def test_r9_children_of_a_task_group_get_a_plain_cancellation_with_its_cause():
    children, seen = [], []

    async def child():
        try:
            await forever()
        except asyncio.CancelledError as error:
            seen.append((type(error), error.args, error.__cause__.reason))
            raise

    async def group():
        async with asyncio.TaskGroup() as tg:
            children.extend(tg.create_task(child()) for _ in range(3))

    task = await started(group())
    await turns(1)
    task.terminate("disk full")
    await asyncio.wait([task])
    assert seen == [(asyncio.CancelledError, (), "disk full")] * 3
    assert [type(await end_of(child)) for child in children] == [asyncio.CancelledError] * 3
    assert [(type(child.ended_by), child.ended_by.reason) for child in children] == [(Terminate, "disk full")] * 3


async def test_r9_the_abort_of_a_group_is_not_held_for_being_polite():
    """The group is over and waits for its children: to hold it there would be to hang."""
    children = []

    async def group():
        with accept(Drain):
            async with asyncio.TaskGroup() as tg:
                children.append(tg.create_task(forever()))

    task = await started(group())
    await turns(1)
    task.drain("why")
    assert type(await end_of(task)) is Drain
    assert type(await end_of(children[0])) is asyncio.CancelledError
    assert type(children[0].ended_by) is Drain


@pytest.mark.parametrize("plain", [False, True])
async def test_r9_the_abort_of_a_group_passes_a_mask_unless_it_holds_plain_ones(plain):
    log = []

    async def books():
        with mask(Terminate, plain=plain):
            await turns(6)
            log.append("booked")

    async def group():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(books())

    task = await started(group())
    await turns(1)
    task.terminate("why")
    assert type(await end_of(task)) is Terminate
    assert log == ["booked"] * plain


async def test_r9_a_group_leaves_alone_the_cleanup_of_a_child_that_was_signalled_itself():
    """A ladder signals parent and child alike: the group's cancel must not tear the child's cleanup."""
    log = []

    async def child():
        try:
            await forever()
        except Terminate:
            await turns(5)
            log.append("clean")
            raise

    async def group():
        async with asyncio.TaskGroup() as tg:
            children.append(tg.create_task(child()))

    children = []
    task = await started(group())
    await turns(1)
    children[0].terminate("why")
    task.terminate("why")
    assert type(await end_of(task)) is Terminate
    assert log == ["clean"]
    assert fates(children[0]) == [(Terminate, Fate.DELIVERED)]


async def test_r9_every_other_plain_cancel_by_the_parent_is_thrown_as_in_asyncio():
    """Level-triggered code cancels again and again: a signal that is in force must not make the child deaf to it."""
    thrown = []

    async def child():
        while len(thrown) < 3:
            try:
                await forever()
            except asyncio.CancelledError as error:
                thrown.append(type(error))

    async def parent():
        task = asyncio.create_task(child())
        try:
            await forever()
        finally:
            while not task.done():
                task.cancel()
                await turns(2)

    task = await started(parent())
    await turns(1)
    task.terminate("why")
    await end_of(task)
    assert thrown == [asyncio.CancelledError] * 3


async def test_r9_a_cancel_by_hand_in_the_parents_cleanup_has_its_cause_too():
    child = None

    async def parent():
        nonlocal child
        child = asyncio.create_task(forever())
        try:
            await forever()
        finally:
            child.cancel()

    task = await started(parent())
    await turns(1)
    task.terminate("why")
    await asyncio.wait([task])
    assert type(await end_of(child)) is asyncio.CancelledError
    assert child.ended_by.reason == "why"


async def test_r9_a_cancel_of_a_task_that_somebody_else_spawned_stays_plain():
    other = await started(forever())

    async def parent():
        try:
            await forever()
        finally:
            other.cancel()

    task = await started(parent())
    task.terminate("why")
    await asyncio.wait([task])
    assert type(await end_of(other)) is asyncio.CancelledError


async def test_r9_when_a_sibling_fails_the_children_get_a_plain_cancel():
    children = []

    async def fails():
        raise ValueError("broken")

    async def group():
        async with asyncio.TaskGroup() as tg:
            children.append(tg.create_task(forever()))
            tg.create_task(fails())

    with pytest.raises(ExceptionGroup):
        await asyncio.create_task(group())
    assert type(await end_of(children[0])) is asyncio.CancelledError


async def test_r9_after_the_signal_is_taken_back_a_cancel_is_plain_again():
    async def parent():
        child = await started(forever())
        try:
            await forever()
        except Interrupt:
            asyncio.current_task().uncancel()
        child.cancel()
        return type(await end_of(child))

    task = await started(parent())
    await turns(1)
    task.interrupt()
    assert await task is asyncio.CancelledError


# -- R10 ------------------------------------------------------------


async def test_r10_from_another_thread():
    task = await started(forever())
    thread = threading.Thread(target=task.send_signal_threadsafe, args=(Terminate("from a thread"),))
    thread.start()
    assert (await end_of(task)).reason == "from a thread"
    thread.join()


async def test_r10_from_a_call_soon_callback():
    task = await started(forever())
    asyncio.get_running_loop().call_soon(task.terminate, "callback")
    error = await end_of(task)
    assert (error.reason, error.sender) == ("callback", None)


async def test_r10_to_itself_it_is_thrown_at_the_next_await():
    log = []

    async def worker():
        asyncio.current_task().terminate("self")
        log.append("still running")
        await turns(1)
        log.append("never")

    assert (await end_of(await started(worker()))).reason == "self"
    assert log == ["still running"]


async def test_r10_to_itself_as_its_last_act_it_changes_nothing():
    """A signal is thrown at an await. A task that has none left has done what it was to do."""

    async def worker():
        await turns(1)
        asyncio.current_task().terminate("self")
        return "done"

    task = await started(worker())
    assert await end_of(task) == "done"
    assert fates(task) == [(Terminate, Fate.PENDING)]


async def test_r10_from_a_finalizer():
    task = await started(forever())

    class Dying:
        def __del__(self):
            task.terminate("finalizer")

    thing = Dying()
    del thing
    assert (await end_of(task)).reason == "finalizer"


async def test_r10_from_a_finalizer_that_the_collector_runs():
    task = await started(forever())

    class Dying:
        def __init__(self):
            self.me = self

        def __del__(self):
            task.terminate("collected")

    Dying()
    gc.collect()
    assert (await end_of(task)).reason == "collected"


@pytest.mark.os
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGUSR1")
async def test_r10_from_a_handler_of_the_loop():
    task = await started(forever())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(os_signal.SIGUSR1, task.terminate, "SIGUSR1")
    try:
        os.kill(os.getpid(), os_signal.SIGUSR1)
        assert (await end_of(task)).reason == "SIGUSR1"
    finally:
        loop.remove_signal_handler(os_signal.SIGUSR1)


@pytest.mark.os
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGUSR1")
async def test_r10_from_a_handler_set_with_signal_signal():
    task = await started(forever())
    before = os_signal.signal(os_signal.SIGUSR1, lambda *_: task.send_signal_threadsafe(Terminate("raw")))
    try:
        os.kill(os.getpid(), os_signal.SIGUSR1)
        assert (await end_of(task)).reason == "raw"
    finally:
        os_signal.signal(os_signal.SIGUSR1, before)


async def test_r10_a_signal_to_the_one_that_is_awaiting_me():
    """A cycle of attention: the child signals its awaiter while it runs, so the signal comes back to it."""

    async def child(parent):
        await turns(2)
        parent.terminate("from below")
        await forever()

    async def parent():
        await asyncio.create_task(child(asyncio.current_task()))

    task = await started(parent())
    assert (await end_of(task)).reason == "from below"


# -- chains and cycles ------------------------------------------------------------


@pytest.mark.parametrize("cls", [Interrupt, Terminate, Kill])
async def test_a_cycle_of_tasks_that_await_each_other_ends(cls):
    """python/cpython#80637: asyncio's cancel() recurses without bound here."""
    tasks = []
    gate = asyncio.get_running_loop().create_future()

    async def member(index):
        await gate
        await tasks[(index + 1) % 3]

    tasks.extend(asyncio.create_task(member(index)) for index in range(3))
    gate.set_result(None)
    await turns(3)
    tasks[0].send_signal(cls("why"))
    done, pending = await asyncio.wait(tasks, timeout=1)
    assert not pending
    assert {type(task.ended_by) for task in tasks} == {cls}


@pytest.mark.parametrize("cls", [Interrupt, Kill])
async def test_a_chain_of_3000_tasks_ends_whole(cls):
    """Deeper than the interpreter's stack."""

    async def link(inner):
        await inner

    tasks = [asyncio.create_task(forever())]
    for _ in range(2999):
        tasks.append(asyncio.create_task(link(tasks[-1])))
    await turns(3)
    tasks[-1].send_signal(cls("why"))
    for _ in range(20_000):
        if all(task.done() for task in tasks):
            break
        await turns(1)
    assert [task for task in tasks if not task.done()] == []
    assert {type(task.ended_by) for task in tasks} == {cls}


async def test_a_task_made_directly_takes_signals():
    task = Task(forever())
    await turns(1)
    task.terminate("why")
    assert (await end_of(task)).reason == "why"


async def test_r8_a_second_signal_reaches_what_is_awaited_after_the_first_was_taken_there():
    taken = []

    async def worker():
        while True:
            with catch(Interrupt) as caught:
                await forever()
            taken.append(caught.signal.reason)

    async def outer():
        await asyncio.create_task(worker())

    task = await started(outer())
    await turns(2)
    for n in range(3):
        task.interrupt(n)
        await turns(3)
    assert taken == [0, 1, 2]
    assert [fate for _, fate in fates(task)] == [Fate.CONSUMED, Fate.CONSUMED, Fate.IN_FLIGHT]
    assert task.cancelling() == 1
    task.kill()


async def test_r8_a_repeat_does_not_tear_the_cleanup_of_what_is_awaited():
    async def worker():
        try:
            await forever()
        finally:
            await turns(5)
            log.append("clean")

    async def outer():
        await asyncio.create_task(worker())

    log = []
    task = await started(outer())
    await turns(2)
    for _ in range(3):
        task.terminate()
        await turns(1)
    assert type(await end_of(task)) is Terminate
    assert log == ["clean"]


async def test_r9_no_block_catches_the_abort_of_a_group():
    async def child():
        while True:
            with catch(Interrupt), accept(Interrupt):
                await forever()

    async def group():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(child())

    task = await started(group())
    await turns(1)
    task.interrupt("why")
    assert type(await end_of(task)) is Interrupt


async def test_r9_a_signal_that_the_parent_has_long_handled_is_no_cause():
    async def parent():
        kept = []
        try:
            await forever()
        except Interrupt as signal:
            kept.append(signal)  # alive, and no longer being handled
        child = await started(forever())
        child.cancel()
        await asyncio.wait([child])
        return child

    task = await started(parent())
    task.interrupt("long ago")
    child = await task
    with pytest.raises(asyncio.CancelledError) as caught:
        child.result()
    assert (type(caught.value), caught.value.__cause__, child.ended_by) == (asyncio.CancelledError, None, None)


async def test_r10_to_itself_it_is_thrown_under_the_blocks_that_are_open_then():
    async def worker():
        asyncio.current_task().terminate("self")
        with mask(Terminate):
            await turns(3)
            log.append("undisturbed")
        await forever()

    log = []
    task = await started(worker())
    error = await end_of(task)
    assert (type(error), error.reason, log) == (Terminate, "self", ["undisturbed"])


async def test_r10_from_a_child_that_runs_inside_its_step_it_waits_until_the_task_waits():
    async def child(parent):
        parent.terminate("from inside")

    async def parent():
        inner = sigtask.task_factory(asyncio.get_running_loop(), child(me()), **EAGER)
        log.append("went on")
        with mask():
            await turns(2)
        log.append("undisturbed")
        await inner
        await forever()

    log = []
    task = await started(parent())
    assert (await end_of(task)).reason == "from inside"
    assert log == ["went on", "undisturbed"]


async def test_r10_a_signal_for_which_the_loop_had_no_stack_left_does_not_keep_out_the_next(monkeypatch):
    def has_no_stack(*args, **kwargs):
        raise RecursionError

    async def sends_itself_two():
        with monkeypatch.context() as patched, pytest.raises(RecursionError):
            patched.setattr(asyncio.get_running_loop(), "call_soon", has_no_stack)
            me().interrupt("lost")
        me().terminate("why")
        await forever()

    task = asyncio.create_task(sends_itself_two())
    await turns(4)
    assert task.done() and task.ended_by.reason == "why"
