"""R18 to R20: a Kill always works, within two turns of the loop, and what it cannot finish is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap

import pytest
from tasks import forever, started

from sigtask import Kill, Task, Terminate, catch, mask, on_signal
from sigtask.testing import turns


class DeafFuture(asyncio.Future):
    def cancel(self, msg=None):
        return False


async def deaf():
    while True:
        try:
            await asyncio.sleep(3600)
        except BaseException:
            pass


async def gives_up(times):
    """Swallows so many times, so that a test can end it."""
    while times:
        try:
            await forever()
        except asyncio.CancelledError:
            times -= 1


async def killed_within_two_turns(task, after_children=0):
    task.kill("die")
    await turns(2 + after_children)
    assert task.done()
    assert (type(task.ended_by), task.ended_by.reason) == (Kill, "die")
    return True


def stock(coro):
    return asyncio.Task(coro, loop=asyncio.get_running_loop())


# -- R18: each state ------------------------------------------------------------


async def test_r18_a_blocked_task():
    assert await killed_within_two_turns(await started(forever()))


async def test_r18_a_ready_task():
    wake = asyncio.get_running_loop().create_future()

    async def worker():
        await wake
        await forever()

    task = await started(worker())
    wake.set_result(None)
    assert await killed_within_two_turns(task)


@pytest.mark.lazy
async def test_r18_an_unstarted_task():
    ran = []

    async def worker():
        ran.append(True)

    assert await killed_within_two_turns(asyncio.create_task(worker()))
    assert ran == []


async def test_r18_a_masked_task():
    async def worker():
        with mask(Terminate, plain=True):
            await forever()

    assert await killed_within_two_turns(await started(worker()))


async def test_r18_a_task_covered_by_its_parents_mask():
    with mask(Terminate, plain=True):
        assert await killed_within_two_turns(await started(forever()))


async def test_r18_a_task_in_a_finally():
    async def worker():
        try:
            await forever()
        finally:
            await asyncio.sleep(3600)

    task = await started(worker())
    task.terminate()
    await turns(3)
    assert await killed_within_two_turns(task)


async def test_r18_a_task_that_swallows_base_exception_in_a_loop():
    assert await killed_within_two_turns(await started(deaf()))


async def test_r18_a_task_that_swallows_it_and_returns():
    async def worker():
        try:
            await forever()
        except BaseException:
            return "I live"

    assert await killed_within_two_turns(await started(worker()))


async def test_r18_a_task_that_awaits_a_deaf_graded_task():
    inner = await started(deaf())

    async def worker():
        await inner

    assert await killed_within_two_turns(await started(worker()))
    assert inner.done()


async def test_r18_a_task_that_awaits_a_deaf_stock_task():
    inner = stock(gives_up(3))
    await turns(1)

    async def worker():
        await inner

    assert await killed_within_two_turns(await started(worker()))
    while not inner.done():
        inner.cancel()
        await turns(2)


async def test_r18_a_task_that_awaits_a_deaf_future():
    future = DeafFuture(loop=asyncio.get_running_loop())

    async def worker():
        await future

    assert await killed_within_two_turns(await started(worker()))
    future.set_result("late")  # its wake-up is gone: nobody is stepped twice
    await turns(2)


async def test_r18_a_task_that_awaits_deaf_things_through_gather():
    inner = await started(deaf())

    async def worker():
        await asyncio.gather(inner, DeafFuture(loop=asyncio.get_running_loop()))

    assert await killed_within_two_turns(await started(worker()))


async def test_r18_a_task_that_kills_itself():
    log = []

    async def worker():
        await turns(1)
        asyncio.current_task().kill("die")
        log.append("runs on to its next await")
        await forever()
        log.append("never")

    task = await started(worker())
    await turns(3)
    assert task.done() and task.ended_by.reason == "die"
    assert log == ["runs on to its next await"]


async def test_r18_a_task_that_kills_itself_and_then_awaits_a_deaf_future():
    async def worker():
        await turns(1)
        asyncio.current_task().kill("die")
        await DeafFuture(loop=asyncio.get_running_loop())

    task = await started(worker())
    await turns(4)
    assert task.done() and task.ended_by.reason == "die"


async def test_r18_a_task_that_kills_itself_and_returns_has_returned():
    async def worker():
        await turns(1)
        asyncio.current_task().kill("die")
        return "done"

    task = await started(worker())
    await turns(3)
    assert task.result() == "done"


async def test_r18_a_task_with_a_callback_for_everything():
    async def worker():
        with on_signal(Terminate, lambda signal: None), catch(Terminate):
            await forever()

    assert await killed_within_two_turns(await started(worker()))


async def test_r18_a_task_in_a_task_group_with_deaf_children():
    async def worker():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(deaf())

    task = await started(worker())
    await turns(1)
    assert await killed_within_two_turns(task, after_children=3)


async def test_r18_a_task_in_an_async_generator():
    async def generates():
        try:
            while True:
                yield await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3600)

    async def worker():
        async for _ in generates():
            pass

    assert await killed_within_two_turns(await started(worker()))


async def test_r18_a_task_that_waits_for_a_lock_and_the_lock_is_free_for_others():
    lock = asyncio.Lock()
    await lock.acquire()

    async def worker():
        async with lock:
            pass

    task = await started(worker())
    assert await killed_within_two_turns(task)
    lock.release()
    async with lock:
        pass


async def test_r18_a_task_that_was_told_to_terminate_in_the_same_turn():
    task = await started(deaf())
    task.terminate("first")
    assert await killed_within_two_turns(task)


async def test_r18_a_task_whose_mask_just_held_a_terminate():
    async def worker():
        with mask():
            await forever()

    task = await started(worker())
    task.terminate("held")
    await turns(2)
    assert await killed_within_two_turns(task)


async def test_r18_a_task_made_directly():
    task = Task(deaf())
    await turns(1)
    assert await killed_within_two_turns(task)


async def test_r18_many_deaf_tasks_at_once():
    tasks = [await started(deaf()) for _ in range(200)]
    for task in tasks:
        task.kill()
    await turns(2)
    assert all(task.done() for task in tasks)


# -- R19 ------------------------------------------------------------


async def test_r19_synchronous_finally_code_runs():
    log = []

    async def worker():
        try:
            await forever()
        finally:
            log.append("closed")

    assert await killed_within_two_turns(await started(worker()))
    assert log == ["closed"]


async def test_r19_awaits_that_do_not_suspend_run():
    log = []

    async def closes():
        log.append("closed")

    async def worker():
        try:
            await forever()
        finally:
            await closes()

    assert await killed_within_two_turns(await started(worker()))
    assert log == ["closed"]


async def test_r19_a_later_await_is_refused():
    log = []

    async def worker():
        try:
            await forever()
        finally:
            try:
                await asyncio.sleep(1)
                log.append("never")
            except Kill:
                log.append("refused")
                raise

    task = await started(worker())
    assert await killed_within_two_turns(task)
    assert log == ["refused"]
    assert task.history[0].refused == 1


async def test_r19_finally_code_around_a_task_group_runs():
    log = []

    async def worker():
        try:
            async with asyncio.TaskGroup() as tg:
                tg.create_task(deaf())
        finally:
            log.append("closed")

    task = await started(worker())
    await turns(1)
    assert await killed_within_two_turns(task, after_children=3)
    assert log == ["closed"]


async def test_r19_the_answers_are_bounded_and_the_refused_awaits_are_counted():
    task = await started(deaf())
    assert await killed_within_two_turns(task)
    assert 10 <= task.history[0].refused <= 100


async def test_r19_an_abandoned_coroutine_is_marked_and_never_resumed():
    log = []

    async def worker():
        while True:
            try:
                await turns(1)
            except BaseException:
                log.append("swallowed")

    task = await started(worker())
    assert await killed_within_two_turns(task)
    assert task._inbox.abandoned
    rounds = len(log)
    await turns(5)
    assert len(log) == rounds


async def test_r19_an_exception_of_the_cleanup_is_the_tasks():
    async def worker():
        try:
            await forever()
        finally:
            raise ValueError("cleanup failed")

    task = await started(worker())
    task.kill()
    await turns(2)
    assert isinstance(task.exception(), ValueError)
    assert task.ended_by is None


@pytest.mark.os
@pytest.mark.parametrize("swallows", ["BaseException", "GeneratorExit"])
def test_r19_a_program_with_an_abandoned_coroutine_ends(swallows):
    """The interpreter closes what it frees, even at exit: closed, this coroutine would spin for ever."""
    program = f"""
        import asyncio, sigtask
        async def deaf():
            while True:
                try:
                    await asyncio.sleep(3600)
                except ({swallows}, asyncio.CancelledError):
                    pass
        async def main():
            sigtask.install()
            task = asyncio.create_task(deaf())
            await asyncio.sleep(0)
            task.kill("die")
            await asyncio.wait([task])
            print("killed", task.ended_by.reason)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("killed die\n", "")


# -- R8, R5 with a Kill ------------------------------------------------------------


async def test_r5_after_a_kill_nothing_is_thrown_any_more():
    task = await started(deaf())
    task.kill("die")
    assert task.terminate() is True  # superseded, not lost
    await turns(2)
    assert [d.fate.value for d in task.history] == ["delivered", "superseded"]
    assert task.kill() is False


async def test_r8_a_kill_reaches_every_task_of_a_chain():
    inner = await started(deaf())

    async def waits(for_):
        await for_

    tasks = [inner]
    for _ in range(5):
        tasks.append(await started(waits(tasks[-1])))
    tasks[-1].kill("die")
    await turns(2)
    assert [task.ended_by.reason for task in tasks] == ["die"] * 6


async def test_a_subclass_of_kill_kills():
    class Evicted(Kill):
        level = 50

    task = await started(deaf())
    task.send_signal(Evicted("die"))
    await turns(2)
    assert type(task.ended_by) is Evicted


async def test_a_kill_of_one_awaiter_leaves_the_other_one_of_a_shared_future_alone():
    """Trap 13: a shared bare future must not fail for everybody, when it can refuse."""
    event = asyncio.Event()
    victim, bystander = await started(event.wait()), await started(event.wait())
    assert await killed_within_two_turns(victim)
    event.set()
    assert await bystander is True


async def test_r18_a_task_that_kills_itself_and_waits_dies():
    async def worker():
        await turns(1)
        asyncio.current_task().kill("die")
        await forever()

    task = await started(worker())
    await turns(3)
    assert task.ended_by.reason == "die"


async def restarts(working):
    async def worker():
        working.append(1)
        await forever()

    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.create_task(worker())


async def test_r19_what_a_killed_task_has_spawned_dies_with_it():
    async def parent():
        box.append(asyncio.create_task(deaf()))
        await forever()

    box = []
    task = await started(parent())
    await turns(1)
    task.kill("die")
    await turns(8)
    assert task.done() and box[0].ended_by.reason == "die"


async def test_r19_what_a_killed_task_spawns_on_its_last_way_never_runs():
    working = []
    task = await started(restarts(working))
    await turns(1)
    before = asyncio.all_tasks()
    task.kill("die")
    await turns(30)
    assert task.ended_by.reason == "die"
    assert len(working) == 1
    assert not {one for one in asyncio.all_tasks() - before if not one.done()}


async def test_r19_a_killed_task_waits_for_its_group_whose_frames_are_unwound_in_order():
    async def child(n):
        try:
            await forever()
        finally:
            log.append(f"child {n}")

    async def parent():
        try:
            async with asyncio.TaskGroup() as outer:
                outer.create_task(child(1))
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(child(2))
        finally:
            log.append("parent")

    log = []
    task = await started(parent())
    await turns(2)
    task.kill("die")
    await turns(8)
    assert (task.ended_by.reason, task.history[0].refused, log[-1]) == ("die", 0, "parent")
    assert sorted(log[:2]) == ["child 1", "child 2"]


async def test_r18_a_killed_group_hears_of_a_child_that_ended_before_the_group_was_reached():
    """It ends in the same turn, and its group's callback has yet to run."""

    async def fails():
        try:
            await forever()
        finally:
            raise ValueError("the child's")

    async def grouped():
        async with asyncio.TaskGroup() as tg:
            tg.create_task(fails())

    async def awaits():
        await inner

    inner = await started(grouped())
    await turns(1)
    outer = await started(awaits())
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    outer.kill("die")
    await asyncio.wait([inner])
    await turns(2)
    assert [str(error) for error in inner.exception().exceptions] == ["the child's"]
    assert complaints == []


async def test_r19_generations_of_groups_end_within_eight_turns_each():
    async def generation(left):
        async with asyncio.TaskGroup() as group:
            if left:
                group.create_task(generation(left - 1))
            await forever()

    task = await started(generation(5))
    await turns(6)
    task.kill("die")
    await turns(2 + 8 * 5)
    assert task.done()


async def test_r19_a_killed_task_breaks_nobody_elses_lock():
    """Killed in Condition.wait(), it cannot have the lock back that another holds: it does not go on without (trap)."""
    condition, inside, together = asyncio.Condition(), [], []

    async def waits():
        async with condition:
            await condition.wait()

    async def holds(name):
        async with condition:
            inside.append(name)
            together.append(len(inside))
            await turns(3)
            inside.remove(name)
        return name

    victim = await started(waits())
    holders = [await started(holds(name)) for name in ("first", "second", "third")]
    victim.kill("die")
    await turns(3)
    assert victim.done()
    assert await asyncio.gather(*holders) == ["first", "second", "third"]
    assert max(together) == 1 and not condition.locked()
    async with asyncio.timeout(5):  # and nobody is kept by the place that the victim had in the queue
        assert await holds("fourth") == "fourth"


async def test_r19_what_dies_with_its_parent_while_it_waits_for_a_semaphore_gives_back_no_place_of_others():
    semaphore, most = asyncio.Semaphore(1), []

    async def holds():
        async with semaphore:
            await forever()

    async def spawns():
        asyncio.create_task(holds(), name="waits")
        await forever()

    owner, parent = await started(holds()), await started(spawns())
    await turns(1)
    parent.kill()
    await asyncio.wait([parent])
    await turns(2)
    assert semaphore.locked()  # up to Python 3.12, a waiter whose future was not cancelled has had its turn
    owner.kill()
    await asyncio.wait([owner])
    async with semaphore:
        most.append(semaphore.locked())
    assert most == [True]


async def test_r19_what_swallows_a_kill_in_the_queue_of_a_semaphore_gives_back_no_place_of_others():
    semaphore = asyncio.Semaphore(1)

    async def insists():
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await semaphore.acquire()

    async with semaphore:
        task = await started(insists())
        task.kill()
        await asyncio.wait([task])
        assert semaphore.locked()
    async with semaphore:
        assert semaphore.locked()


async def test_r19_what_a_dying_child_awaits_with_others_is_left_in_peace():
    shared = asyncio.get_running_loop().create_future()

    async def awaits():
        return await shared

    async def spawns():
        asyncio.create_task(awaits())
        await forever()

    bystander, parent = await started(awaits()), await started(spawns())
    await turns(1)
    parent.kill()
    await asyncio.wait([parent])
    await turns(2)
    shared.set_result("untouched")
    assert await bystander == "untouched"


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore, asyncio.Condition])
async def test_r19_what_swallows_a_kill_while_it_waits_to_enter_a_lock_never_has_it(make):
    lock, entered = make(), []

    async def insists():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                async with lock:
                    entered.append("killed")
                    await forever()

    async with lock:
        task = await started(insists())
        task.kill()
        await asyncio.wait([task])
    await turns(3)
    assert (entered, lock.locked()) == ([], False)


async def test_r19_a_lock_that_the_killed_get_back_is_given_back_though_their_cleanup_awaits():
    condition, cleaned = asyncio.Condition(), []

    async def waits():
        async with condition:
            try:
                await condition.wait()
            finally:
                await turns(1)
                cleaned.append("never")

    task = await started(waits())
    async with condition:
        task.kill()
        await asyncio.wait([task])
    await turns(3)
    assert (cleaned, condition.locked()) == ([], False)


async def test_r19_a_place_in_the_queue_for_a_lock_is_given_up_while_others_queue():
    condition = asyncio.Condition()

    async def waits():
        async with condition:
            await condition.wait()

    async def holds():
        async with condition:
            await turns(2)

    victims = [await started(waits()) for _ in range(3)]
    holders = [await started(holds()) for _ in range(2)]
    for victim in victims:
        victim.kill("die")
    holders += [await started(holds()) for _ in range(3)]
    await asyncio.wait(holders)
    assert not condition.locked()


async def test_r19_what_bystanders_see_of_a_killed_task_is_a_cancellation():
    async def leads():
        try:
            await forever()
        except BaseException:
            for _ in range(30):
                try:
                    await turns(1)
                except asyncio.CancelledError:
                    pass
                except BaseException as error:
                    shared.set_exception(error)
                    raise

    shared = asyncio.get_running_loop().create_future()
    task = await started(leads())
    task.kill("die")
    await turns(4)
    error = shared.exception()
    assert task.ended_by.reason == "die"
    assert (type(error), error.args, error.__cause__.reason) == (asyncio.CancelledError, (), "die")


class Duck:
    """A future that is not asyncio's, keeps its callbacks to itself, and will not be cancelled."""

    _asyncio_future_blocking = False

    def __init__(self):
        self._kept = []
        self._loop = asyncio.get_running_loop()

    def get_loop(self):
        return self._loop

    def done(self):
        return False

    def cancel(self, msg=None):
        return False

    def add_done_callback(self, callback, *, context=None):
        self._kept.append(callback)

    def __await__(self):
        self._asyncio_future_blocking = True
        yield self


async def test_r18_a_task_that_awaits_a_future_of_another_kind_is_killed():
    async def worker():
        await Duck()

    task = await started(worker())
    assert await killed_within_two_turns(task)
