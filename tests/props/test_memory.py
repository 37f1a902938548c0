"""Nothing stays behind: no bytes beyond stock asyncio's, and no reference cycle around a task that has ended."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import weakref

import memory
import pytest

from sigtask import Drain, Interrupt, Terminate, accept, catch, mask, on_signal
from sigtask.testing import turns


@pytest.mark.skipif(sys.flags.dev_mode, reason="in debug mode a task keeps a traceback: it would measure those")
def test_five_thousand_tasks_leave_no_more_behind_than_stock_ones():
    """The soak does it with a million. A table of asyncio's may double on the way; one object a task is 250,000."""
    stock, _ = memory.growth(5_000, graded=False)
    graded, _ = memory.growth(5_000, graded=True)
    assert graded < stock + 150_000, f"{graded:,} bytes grown, and {stock:,} with stock tasks"


# -- no cycles: with the collector off, all is gone at once ---------------------------------------------------------


class Anchor:
    """Lives in a local variable of a task's frame: while it is there, so is the frame."""


async def waits():
    await asyncio.sleep(3600)


async def swallows():
    try:
        await waits()
    except asyncio.CancelledError:
        return "went on"


async def replaces():
    try:
        await waits()
    except asyncio.CancelledError:
        raise asyncio.CancelledError from None


async def fails_in_cleanup():
    try:
        await waits()
    finally:
        raise ValueError("cleanup failed")


async def masked():
    with mask(Terminate):
        await asyncio.sleep(1)


async def masked_plain():
    with mask(Drain, plain=True):
        await asyncio.sleep(1)


async def caught():
    with catch(Terminate):
        await waits()


async def caught_late():
    with catch(Interrupt):
        await waits()
    await waits()


async def handled():
    with on_signal(Terminate, lambda _: None):
        await asyncio.sleep(1)


async def accepts():
    await asyncio.sleep(1)
    with accept(Drain):
        await waits()


async def awaits_one():
    await asyncio.create_task(waits())


async def awaits_one_that_swallows():
    await asyncio.create_task(swallows())
    await waits()


async def gathers():
    await asyncio.gather(waits(), waits())


async def grouped():
    async with asyncio.TaskGroup() as group:
        group.create_task(waits())
        await waits()


async def times_out():
    async with asyncio.timeout(1):
        await waits()


async def cleans_up():
    try:
        await waits()
    finally:
        await asyncio.sleep(1)


async def turns_deaf_a_while():
    for _ in range(3):
        try:
            await waits()
        except asyncio.CancelledError:
            pass


async def fails():
    raise ValueError("at once")


# Before 3.14 asyncio's TaskGroup leaves a cycle of its own.
TOO_EARLY = {grouped} if sys.version_info < (3, 14) else set()
HABITS = [
    value
    for value in list(globals().values())
    if inspect.iscoroutinefunction(value) and value not in TOO_EARLY | {turns}
]
ENDINGS = {
    "drain": lambda task: task.drain("why"),
    "interrupt": lambda task: task.interrupt("why"),
    "terminate": lambda task: task.terminate(OSError("why")),
    "kill": lambda task: task.kill("why"),
    "cancel": lambda task: task.cancel(),
    "cancel with a signal": lambda task: task.cancel(Terminate("why")),
    "twice": lambda task: (task.interrupt("first"), task.terminate("then")),
}


async def spend(habit, ending, started):
    """Run a task to its end; weak references to it, to its frame, and to what it raised."""

    async def program():
        anchor = Anchor()
        refs.append(weakref.ref(anchor))
        await habit()

    refs = []
    task = asyncio.create_task(program(), name="spent")
    refs.append(weakref.ref(task))
    await turns(started)
    ending(task)
    await asyncio.sleep(2)
    if not task.done():
        task.kill("what is left")
        await turns(4)  # a TaskGroup that is killed waits for its children, and leaves in the turn after
    assert task.done()
    assert task.ended_by is None or task.ended_by.target is task
    for _ in range(2):
        try:
            task.result()
        except (asyncio.CancelledError, Exception) as error:
            if type(error).__flags__ & (1 << 9):  # Python classes' instances take weak references
                refs.append(weakref.ref(error))
    del task  # what result() raised holds this frame
    return refs


@pytest.mark.clock
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.__name__)
async def test_r21_a_task_that_has_ended_is_gone_with_its_frame_and_its_exception(habit, ending):
    gc.collect()
    gc.disable()
    try:
        for started in (0, 2):
            refs = await spend(habit, ENDINGS[ending], started)
            await turns(2)
            alive = [ref() for ref in refs if ref() is not None]
            assert not alive, [gc.get_referrers(one) for one in alive]
    finally:
        gc.enable()
