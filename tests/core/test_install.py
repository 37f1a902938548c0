"""R31: how a loop comes to make sigtask's tasks, and what importing does not do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest

import sigtask
from sigtask import Task
from sigtask.testing import FakeClockLoop, turns

OLD = pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python 3.13 needs no help")


def in_a_new_process(program):
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split()


async def name_of_my_class():
    return type(asyncio.current_task()).__module__


def run_on(loop, coro):
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()


@pytest.mark.os
def test_r31_importing_patches_nothing():
    told = in_a_new_process("""
        import asyncio
        def state():
            return (asyncio.TaskGroup.__aenter__, asyncio.TaskGroup.__aexit__, asyncio.Timeout.__aenter__,
                    asyncio.Timeout.__aexit__, asyncio.Task, asyncio.create_task, asyncio.shield)
        before = state()
        import sigtask
        print(before == state())
    """)
    assert told == ["True"]


@pytest.mark.os
def test_r31_install_wraps_task_group_timeout_and_shield():
    told = in_a_new_process("""
        import asyncio, sigtask
        before = asyncio.TaskGroup.__aexit__, asyncio.Timeout.__aexit__, asyncio.shield
        loop = asyncio.new_event_loop()
        sigtask.install(loop)
        print(before[0] is asyncio.TaskGroup.__aexit__.__wrapped__, before[1] is asyncio.Timeout.__aexit__.__wrapped__)
        print(before[2] is asyncio.shield.__wrapped__ is asyncio.tasks.shield.__wrapped__)
        loop.close()
    """)
    assert told == ["True", "True", "True"]


def test_r31_installing_twice_wraps_once():
    loop = FakeClockLoop()
    sigtask.install(loop)
    sigtask.install(loop)
    for wrapped in (asyncio.TaskGroup.__aexit__, asyncio.Timeout.__aexit__, asyncio.shield):
        assert not hasattr(wrapped.__wrapped__, "__wrapped__")
    loop.close()


async def test_r31_a_subclass_raised_through_a_timeout_is_taken_for_a_cancellation():
    """gh-113848: before 3.13 a timeout compares the class with `is`."""

    class Odd(asyncio.CancelledError):
        pass

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                raise Odd from None


def test_r31_install_sets_the_factory_of_one_loop_only():
    one, other = FakeClockLoop(), FakeClockLoop()
    sigtask.install(one)
    assert run_on(one, name_of_my_class()) == "sigtask"
    assert run_on(other, name_of_my_class()) == "_asyncio"


async def test_r31_install_takes_the_running_loop():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(None)
    sigtask.install()
    assert isinstance(asyncio.create_task(turns(1)), Task)
    await turns(3)


async def test_r31_tasks_that_exist_already_stay_what_they_are():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(None)
    task = asyncio.create_task(turns(3))
    sigtask.install()
    assert type(task) is asyncio.Task
    await task


def test_install_without_a_loop_says_what_to_do():
    with pytest.raises(RuntimeError, match="call install\\(\\) in a coroutine, or give it a loop"):
        sigtask.install()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="is about 3.11")
def test_install_eager_on_3_11_is_a_value_error():
    loop = FakeClockLoop()
    with pytest.raises(ValueError, match=r"3\.12"):
        sigtask.install(loop, eager=True)
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs eager tasks")
def test_install_eager_starts_tasks_at_once():
    log = []

    async def child():
        log.append("child")

    async def main():
        task = asyncio.create_task(child())
        log.append("parent")
        await task

    loop = FakeClockLoop()
    sigtask.install(loop, eager=True)
    run_on(loop, main())
    assert log == ["child", "parent"]


def test_the_factory_refuses_what_is_no_coroutine():
    loop = FakeClockLoop()
    for bad in (42, turns, None):
        with pytest.raises(TypeError, match="a coroutine was expected"):
            sigtask.task_factory(loop, bad)
    loop.close()


def test_a_cancel_with_no_loop_running_works():
    """As `asyncio.Runner.close` does it."""
    loop = FakeClockLoop()
    sigtask.install(loop)
    task = loop.create_task(turns(5))
    task.terminate("nobody runs")
    with pytest.raises(sigtask.Terminate, match="nobody runs"):
        run_on(loop, task)


# -- the loop of sigtask.testing ------------------------------------------------------------


def test_the_fake_clock_costs_no_time():
    async def sleeps():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert run_on(FakeClockLoop(), sleeps()) == 3600


def test_the_fake_clock_fires_timers_in_order():
    async def main():
        got = []
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, got.append, delay)
        await asyncio.sleep(4)
        return got

    assert run_on(FakeClockLoop(), main()) == [1, 2, 3]


def test_r31_a_stock_task_that_installs_may_cancel_the_tasks_it_spawns():
    async def main():
        sigtask.install()
        task = asyncio.create_task(asyncio.sleep(3600))
        await turns(1)
        assert task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run_on(FakeClockLoop(), main())


def test_the_fake_clock_stands_still_while_something_is_ready():
    async def main():
        await turns(100)
        return asyncio.get_running_loop().time()

    assert run_on(FakeClockLoop(), main()) == 0


def test_of_ten_thousand_tasks_in_a_deadlock_the_fake_clock_names_some_and_counts_the_others():
    async def main():
        await asyncio.gather(*(asyncio.Event().wait() for _ in range(10_000)))

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        with pytest.raises(RuntimeError, match="deadlock.* and 9991 others$") as caught:
            runner.run(main())
    assert len(str(caught.value)) < 20_000


def test_the_fake_clock_names_the_tasks_of_a_deadlock():
    loop = FakeClockLoop()
    loop.patience = 0.01
    task = loop.create_task(asyncio.Event().wait(), name="stuck")
    with pytest.raises(RuntimeError, match="deadlock.*stuck"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        run_on(loop, task)


def test_the_fake_clock_waits_for_other_threads():
    assert run_on(FakeClockLoop(), asyncio.to_thread(lambda: "from a thread")) == "from a thread"


def test_the_fake_clock_can_be_moved_forward_only():
    loop = FakeClockLoop()
    loop.advance(5)
    assert loop.time() == 5
    with pytest.raises(ValueError, match="forward only"):
        loop.advance(-1)
    loop.close()
