"""Records of the C extension refuse what C could not read: setting a wrong value is an error, and no crash."""

import asyncio
import gc
import types

import pytest
from tasks import end_of, forever, me, started

from sigtask import Terminate, catch, mask
from sigtask._core import native
from sigtask._core.delivery import Delivery
from sigtask._core.inbox import Inbox
from sigtask._core.stock import get_shim
from sigtask._stop.roll import Roll

pytestmark = pytest.mark.skipif(native.speed is None, reason="the twin in C is not built, or SIGTASK_PURE is set")


async def told():
    task = await started(forever())
    task.terminate()
    return task


def a_roll():
    return Roll(lambda: 1.0, lambda task: None, lambda: None, everything=False)


async def tracked():
    roll, task = a_roll(), await started(forever())
    roll.track([task])
    task.remove_done_callback(roll)  # its end is no part of the test
    roll.begin("terminate", 0.0)
    return roll, task


def tell(roll, task, signal):
    roll.tell([task], signal, None, (), 1.0, lambda task, row, error: None, False)


# -- records ----------


@pytest.mark.parametrize("name", ["flying", "again", "plain_under", "doom", "ended", "cause", "history"])
async def test_an_inbox_refuses_what_is_not_of_its_kind(name):
    inbox = me()._mailbox()
    with pytest.raises(TypeError, match="this takes a "):
        setattr(inbox, name, 5)


@pytest.mark.parametrize("name", ["pending", "blocks", "covers", "waiters", "stops", "outside", "delivered"])
async def test_an_inbox_has_tuples(name):
    with pytest.raises(TypeError, match="this takes a tuple"):
        setattr(me()._mailbox(), name, 5)


async def test_an_inbox_remembers_deliveries():
    with pytest.raises(TypeError, match="a tuple of Deliveries"):
        me()._mailbox().delivered = (5,)


async def test_what_is_no_delivery_may_be_forgotten():
    task = await started(forever())
    history = task._mailbox().history
    history.extend(range(40))
    task.uncancel()
    task.interrupt()
    assert len(history) == 20
    assert type(history[-1]) is Delivery


@pytest.mark.parametrize("value", [5, None, asyncio.CancelledError()])
async def test_a_delivery_is_of_a_signal(value):
    with pytest.raises(TypeError, match="a Delivery is made of a signal"):
        Delivery(value, None, None, None)
    delivery = (await told()).history[0]
    with pytest.raises(TypeError, match="a Delivery is of a signal"):
        delivery.given = value


async def test_a_delivery_without_a_fate_is_delivered():
    task = await told()
    del task.history[0].fate
    assert isinstance(await end_of(task), Terminate)


async def test_what_was_thrown_is_a_weak_reference():
    with pytest.raises(TypeError, match="this takes a weak reference"):
        (await told()).history[0].thrown = 5


async def test_a_task_keeps_its_inbox():
    task = await told()
    kept = task._inbox
    with pytest.raises(AttributeError, match="a task keeps the inbox that it has"):
        task._inbox = Inbox(task)
    await end_of(task)
    del task
    gc.collect()
    assert kept.task() is None


async def test_a_launch_is_of_a_task():
    with pytest.raises(TypeError, match="takes a task and a Delivery"):
        native.speed.launch(5, (await told()).history[0])


async def test_a_method_whose_name_is_no_text_may_stand_in_for_send():
    class Nameless:
        __name__ = 5

        def __call__(self, value):
            raise StopIteration("sent")

    task = await told()
    task._mailbox()
    shim = get_shim(task)
    shim.send = types.MethodType(Nameless(), shim)
    assert isinstance(await end_of(task), Terminate)


# -- blocks ----------


async def test_a_block_has_an_inbox():
    with mask() as nothing, pytest.raises(TypeError, match="this takes an Inbox"):
        assert nothing is None
        me()._mailbox().blocks[-1].inbox = 5


async def test_a_catch_of_another_class_takes_signals_only():
    block = catch(Terminate)
    block.__enter__()
    block.cls = ValueError
    error = ValueError()
    error.level = 5
    assert block.__exit__(ValueError, error, None) is False


# -- the roll of a stop ----------


async def test_a_roll_that_was_not_initialized_says_so():
    roll = Roll.__new__(Roll)
    for use in (lambda: roll.track([me()]), lambda: roll(me()), lambda: tell(roll, me(), Terminate())):
        with pytest.raises(RuntimeError, match=r"Roll.__init__\(\) was not called"):
            use()


@pytest.mark.parametrize("name", ["alive", "rows"])
async def test_a_roll_refuses_what_is_not_of_its_kind(name):
    with pytest.raises(TypeError, match="this takes a"):
        setattr(a_roll(), name, 5)


@pytest.mark.parametrize("name", ["alive", "rows", "context", "name", "clock", "slow", "last"])
async def test_a_roll_keeps_what_it_has(name):
    with pytest.raises((TypeError, AttributeError)):
        delattr(a_roll(), name)


async def test_a_roll_has_a_report_of_each_task():
    roll, task = await tracked()
    roll.alive[task] = 5
    with pytest.raises(TypeError, match="a Roll has a TaskReport of each task"):
        roll(task)


async def test_a_row_whose_places_are_gone_is_refused():
    roll, task = await tracked()
    del roll.rows[0].stood
    with pytest.raises(AttributeError, match="stood"):
        roll(task)


async def test_a_roll_tells_a_signal():
    roll, task = await tracked()
    with pytest.raises(TypeError, match="takes a list, a signal"):
        tell(roll, task, 5)
