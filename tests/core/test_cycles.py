"""A task that a signal has ended is freed at once where a stock task is that a plain `cancel()` has ended.

An exception holds the frames that it went through, and a frame its locals: one that holds the task, or what has the
exception, makes a cycle, and the task waits for the garbage collector. Here that is off, and what is left is counted.
"""

import asyncio
import contextlib
import gc
import weakref

import pytest

import sigtask
from sigtask import Drain, Interrupt, Terminate, catch, mask, until
from sigtask.testing import FakeClockLoop, turns


async def in_a_sleep():
    await asyncio.sleep(3600)


async def in_gather():
    await asyncio.gather(in_a_sleep(), in_a_sleep())


async def in_gather_that_returns_exceptions():
    await asyncio.gather(in_a_sleep(), in_a_sleep(), return_exceptions=True)


async def in_wait_for():
    await asyncio.wait_for(in_a_sleep(), 3600)


async def in_timeout():
    async with asyncio.timeout(3600):
        await in_a_sleep()


async def in_a_task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_sleep())
        group.create_task(in_gather())


async def in_the_body_of_a_task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_sleep())
        await in_a_sleep()


async def in_shield():
    await asyncio.shield(in_a_sleep())


async def in_as_completed():
    for one in asyncio.as_completed([in_a_sleep(), in_a_sleep()]):
        await one


async def in_wait():
    await asyncio.wait([asyncio.create_task(in_a_sleep())])


async def in_a_task_it_awaits():
    await asyncio.create_task(in_a_sleep())


async def in_a_condition():
    condition = asyncio.Condition()
    async with condition:
        await condition.wait()


async def in_a_finally():
    try:
        await in_a_sleep()
    finally:
        await asyncio.sleep(0)


async def in_an_error_of_its_own():
    try:
        await in_a_sleep()
    except asyncio.CancelledError as error:
        raise ValueError from error


async def after_a_mask():
    with mask(Terminate):
        await turns(1)
    await in_a_sleep()


async def in_a_catch():
    with catch(Interrupt):
        await in_a_sleep()


async def in_until():
    await until(Drain, in_a_sleep())


OURS = (after_a_mask, in_a_catch, in_until)
BODIES = [body for name, body in globals().items() if name.startswith(("in_", "after_"))]
END = {
    "cancel": lambda task: task.cancel(),
    "terminate": lambda task: task.terminate("why"),
    "kill": lambda task: task.kill("why"),
}


async def nobody(task):
    await asyncio.wait([task])


async def an_awaiter(task):
    with contextlib.suppress(BaseException):
        await task


async def who_asks_for_the_exception(task):
    await asyncio.wait([task])
    with contextlib.suppress(BaseException):
        task.exception()


async def who_asks_what_ended_it(task):
    await asyncio.wait([task])
    with contextlib.suppress(AttributeError):  # a stock one cannot say
        task.ended_by  # noqa: B018


class Local:
    """What the coroutine has."""


def left_behind(body, end, look, install):
    """How many of the task and its coroutine's local are still there."""

    async def main():
        async def has_a_local():
            local = Local()
            seen.append(weakref.ref(local))
            await body()

        seen = []
        task = asyncio.create_task(has_a_local())
        seen.append(weakref.ref(task))
        await turns(5)
        end(task)
        await look(task)
        del task
        await turns(5)
        return sum(ref() is not None for ref in seen)

    loop = FakeClockLoop()
    loop.set_exception_handler(lambda _, context: None)
    install(loop)
    gc.collect()
    gc.disable()
    try:
        return loop.run_until_complete(main())
    finally:
        gc.enable()
        loop.close()


@pytest.mark.parametrize("look", [nobody, an_awaiter, who_asks_for_the_exception, who_asks_what_ended_it])
@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("body", BODIES)
def test_what_ends_a_task_leaves_no_cycle_that_a_plain_cancel_of_a_stock_task_does_not(body, end, look):
    allowed = 0 if body in OURS else left_behind(body, END["cancel"], look, lambda loop: None)
    assert left_behind(body, END[end], look, sigtask.install) <= allowed
