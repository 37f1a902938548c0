"""What signalled tasks leave behind: a cycle through any part of them is found, and a name outlives its task.

In C, what a task knows about its signals is no object of the collector's until somebody looks at it, and a task's name
is made when it is asked for: here is what must hold all the same, in both twins.
"""

import asyncio
import gc
import weakref

import pytest

from sigtask import Interrupt, Terminate, catch, create_task
from sigtask.testing import turns


async def forever():
    await asyncio.get_running_loop().create_future()


class Held:
    """Something that a cycle leads through."""


async def lost(body, tell):
    """A weak reference into a task that nothing but itself holds, once it was told."""
    held = Held()
    task = create_task(body(held))
    await asyncio.sleep(0)
    tell(task, held)
    held.task = task
    ref = weakref.ref(held)
    del held, task
    await turns(3)
    return ref


async def waits_with(held):
    await asyncio.get_running_loop().create_future()


async def survives_with(held):
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except Interrupt:
            asyncio.current_task().uncancel()


def once(task, held):
    task.interrupt(held)


def three_times(task, held):
    for _ in range(3):
        task.interrupt(held)


def and_looks(task, held):
    task.interrupt(held)
    held.history = task.history


def and_is_pending(task, held):
    task.drain(held)
    task.drain(held)


@pytest.mark.parametrize("tell", [once, three_times, and_looks, and_is_pending])
@pytest.mark.parametrize("body", [waits_with, survives_with])
async def test_a_task_whose_signals_reason_leads_back_to_it_is_collected(body, tell):
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # a pending task that is destroyed
    ref = await lost(body, tell)
    gc.collect()
    assert ref() is None


async def test_r1_a_signal_that_outlives_its_task_has_the_name_of_its_target():
    task = create_task(forever())
    await asyncio.sleep(0)
    task.terminate("why")
    try:
        await task
    except Terminate as error:
        signal = error.with_traceback(None)
    name, signal.__context__ = task.get_name(), None
    del task
    await turns(1)  # asyncio has what was awaited in hand until then
    gc.collect()
    assert signal.target == name


async def test_r1_a_signal_that_was_taken_outlives_its_task_with_the_name_of_its_target():
    caught = []

    async def body():
        with catch(Interrupt) as interrupt:
            await forever()
        caught.append(interrupt.signal)

    task = create_task(body())
    await asyncio.sleep(0)
    task.interrupt()
    await task
    name = task.get_name()
    del task
    await turns(1)  # asyncio has what was awaited in hand until then
    gc.collect()
    assert caught[0].target == name


async def test_r21_a_delivery_that_outlives_its_task_has_the_name_of_its_target():
    task = create_task(forever())
    await asyncio.sleep(0)
    task.terminate("why")
    await asyncio.wait([task])
    (delivery,), name = task.history, task.get_name()
    del task
    await turns(1)  # asyncio has what was awaited in hand until then
    gc.collect()
    assert delivery.signal.target == name


async def test_r1_the_target_of_a_signal_is_the_task_as_long_as_it_is_there():
    task = create_task(forever())
    await asyncio.sleep(0)
    task.terminate("why")
    await asyncio.wait([task])
    assert task.ended_by.target is task
    assert task.history[0].signal.target is task


@pytest.mark.parametrize("many", [1, 5, 60])
async def test_attributes_that_a_program_sets_on_a_task_outlive_its_first_signal(many):
    """On 3.14 and later they stand in the task itself, in an order that its class knows."""
    task = create_task(forever())
    await asyncio.sleep(0)
    for n in range(many):
        setattr(task, f"before_{n}", [n])
    task.terminate()
    for n in range(many):
        setattr(task, f"after_{n}", [n])
    assert [getattr(task, f"before_{n}") for n in range(many)] == [[n] for n in range(many)]
    assert [getattr(task, f"after_{n}") for n in range(many)] == [[n] for n in range(many)]
    with pytest.raises(Terminate):
        await task


async def test_methods_that_a_library_puts_on_a_task_after_its_first_block_do_not_disturb_others():
    """aiotools does so; a value that stood where the task had none was taken for one that is to be freed."""

    async def hooked():
        with catch(Interrupt):
            await asyncio.sleep(0)
        me = asyncio.current_task()
        for name in ("cancel", "cancelling", "uncancel", *(f"own_{n}" for n in range(40))):
            setattr(me, name, object())
        await asyncio.sleep(0)
        return len({id(getattr(me, f"own_{n}")) for n in range(40)})

    assert await asyncio.gather(*(create_task(hooked()) for _ in range(50))) == [40] * 50
