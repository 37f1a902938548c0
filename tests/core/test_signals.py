"""R1, R2 and the levels: what a signal is, before it is sent to anybody."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback

import pytest
from tasks import forever

from sigtask import Drain, Interrupt, Kill, Signal, Task, Terminate, catch
from sigtask.testing import turns


class DiskFull(Terminate):
    def __init__(self, disk: str, free: int) -> None:
        super().__init__(f"{disk}: {free} bytes left")
        self.disk = disk


class Evicted(Terminate):
    __slots__ = ("node", "pod")

    def __init__(self, node: str) -> None:
        super().__init__(f"{node} is full")
        self.node = node


class Preempted(Interrupt):
    level = 25


class Eviction(Kill):
    level = 45


def test_r1_levels_rise_from_drain_to_kill():
    assert [cls.level for cls in (Drain, Interrupt, Terminate, Kill)] == [10, 20, 30, 40]


def test_r1_the_reason_is_any_object():
    reason = object()
    assert Drain(reason).reason is reason


def test_r1_without_a_reason_the_reason_is_none_and_args_are_empty():
    assert (Drain().reason, Drain().args) == (None, ())


def test_r1_an_exception_as_reason_is_the_cause():
    reason = OSError("no space")
    assert Terminate(reason).__cause__ is reason


def test_r1_a_traceback_shows_the_exception_that_is_the_reason():
    text = "".join(traceback.format_exception(Terminate(OSError("no space"))))
    assert "OSError: no space" in text and "direct cause" in text


def test_r1_a_signal_prints_its_class_level_reason_and_sender():
    assert repr(Terminate("disk full", sender="ops")) == "Terminate('disk full', level=30, sender='ops')"
    assert str(Terminate("disk full", sender="ops")) == "disk full (level 30, from ops)"


def test_r1_a_signal_without_a_reason_says_so():
    assert str(Drain()) == "no reason given (level 10)"


def test_r1_a_very_long_reason_is_cut_in_print_but_kept_whole():
    signal = Drain("x" * 10_000)
    assert len(str(signal)) < 300 and len(signal.reason) == 10_000


def test_r1_a_traceback_names_the_public_module():
    assert traceback.format_exception_only(Terminate("x"))[0].startswith("sigtask.Terminate")


def test_r1_signals_compare_by_identity():
    assert Drain("x") != Drain("x")
    assert len({Drain("x"), Drain("x")}) == 2


@pytest.mark.parametrize("cls", [Drain, Interrupt, Terminate, Kill, Preempted, Eviction])
def test_r1_a_signal_pickles_with_class_reason_and_sender(cls):
    twin = pickle.loads(pickle.dumps(cls("why", sender="ops")))
    assert (type(twin), twin.reason, twin.sender, twin.level) == (cls, "why", "ops", cls.level)


def test_r1_a_signal_with_an_init_of_its_own_pickles():
    twin = pickle.loads(pickle.dumps(DiskFull("/var", 3)))
    assert (twin.disk, twin.reason) == ("/var", "/var: 3 bytes left")


def test_r1_the_cause_survives_pickling():
    twin = pickle.loads(pickle.dumps(Terminate(ValueError("bad"))))
    assert isinstance(twin.__cause__, ValueError)


def test_r1_copy_copy_gives_a_signal_like_it():
    twin = copy.copy(Terminate("why"))
    assert (type(twin), twin.reason) == (Terminate, "why")


@pytest.mark.parametrize("twin_of", [Signal.copy, copy.copy, lambda signal: pickle.loads(pickle.dumps(signal))])
def test_r1_a_copy_has_what_is_in_the_slots_of_a_users_class(twin_of):
    twin = twin_of(Evicted("n1"))
    assert (twin.node, twin.reason, hasattr(twin, "pod")) == ("n1", "n1 is full", False)


async def test_r1_a_task_gets_what_is_in_the_slots_of_a_users_class():
    async def worker():
        try:
            await forever()
        except Evicted as signal:
            signal.pod = "p1"
            raise

    task = asyncio.create_task(worker())
    await turns(1)
    task.send_signal(Evicted("n1"))
    await asyncio.wait([task])
    assert (task.history[0].signal.node, task.ended_by.node, task.ended_by.pod) == ("n1", "n1", "p1")


async def test_r1_a_signal_that_was_delivered_pickles_with_the_name_of_its_target():
    task = asyncio.create_task(forever(), name="worker")
    await turns(1)
    task.terminate("why")
    twin = pickle.loads(pickle.dumps(task.history[0].signal))
    assert (twin.target, twin.reason) == ("worker", "why")
    await asyncio.wait([task])


def test_r1_a_signal_never_sent_has_no_target_no_time_and_is_its_own_origin():
    signal = Drain()
    assert (signal.target, signal.sent_at, signal.origin) == (None, None, signal)


async def test_r1_each_delivery_is_a_fresh_copy_that_knows_its_target_and_origin():
    tasks = [asyncio.create_task(forever()) for _ in range(3)]
    await turns(1)
    signal = Terminate("why")
    for task in tasks:
        task.send_signal(signal)
    copies = [task.history[0].signal for task in tasks]
    assert [twin.target for twin in copies] == tasks
    assert all(twin.origin is signal and twin is not signal for twin in copies)
    await asyncio.wait(tasks)


async def test_r1_the_callers_own_signal_is_never_raised():
    task = asyncio.create_task(forever())
    await turns(1)
    signal = Terminate("why")
    task.send_signal(signal)
    with pytest.raises(Terminate) as info:
        await task
    assert info.value is not signal and signal.__traceback__ is None


async def test_r1_the_sender_is_the_task_that_sent_it():
    asyncio.current_task().set_name("boss")
    task = asyncio.create_task(forever())
    await turns(1)
    task.terminate()
    assert task.history[0].signal.sender == "boss"
    await asyncio.wait([task])


async def test_r1_a_sender_that_the_caller_names_is_kept():
    task = asyncio.create_task(forever())
    await turns(1)
    task.send_signal(Terminate(sender="ops"))
    assert task.history[0].signal.sender == "ops"
    await asyncio.wait([task])


async def test_r1_a_delivery_knows_when_it_was_sent():
    task = asyncio.create_task(forever())
    await turns(1)
    task.terminate("a")
    task.kill("b")
    first, second = (delivery.signal.sent_at for delivery in task.history)
    assert first <= second
    await asyncio.wait([task])


async def test_r1_notes_on_a_signal_reach_the_task():
    task = asyncio.create_task(forever())
    await turns(1)
    signal = Terminate("why")
    signal.add_note("ask ops")
    task.send_signal(signal)
    with pytest.raises(Terminate) as info:
        await task
    assert info.value.__notes__ == ["ask ops"]


async def test_r1_a_signal_class_with_an_init_of_its_own_is_delivered_with_all_it_holds():
    task = asyncio.create_task(forever())
    await turns(1)
    task.send_signal(DiskFull("/var", 3))
    with pytest.raises(DiskFull) as info:
        await task
    assert info.value.disk == "/var"


def test_r2_every_signal_is_a_cancelled_error():
    assert issubclass(Signal, asyncio.CancelledError)


def test_only_a_kill_may_have_level_40_or_more():
    assert Eviction.level == 45
    with pytest.raises(TypeError, match="50; it must be an int from 1 to 39"):

        class TooStrong(Terminate):
            level = 50


def test_a_kill_cannot_be_made_weak():
    with pytest.raises(TypeError, match="40 or more"):

        class Weak(Kill):
            level = 30


@pytest.mark.parametrize("bad", [0, -1, 20.5, "20", None, True])
def test_a_level_that_is_no_int_from_1_to_39_is_refused(bad):
    with pytest.raises(TypeError, match="level"):
        type("Odd", (Interrupt,), {"level": bad})


def test_a_user_level_stands_between_the_built_in_ones():
    assert Interrupt.level < Preempted.level < Terminate.level


async def test_r22_hand_raised_a_signal_ends_the_task_as_any_cancellation_does():
    async def quits():
        raise Terminate("I give up")

    task = asyncio.create_task(quits())
    await asyncio.wait([task])
    assert task.cancelled()
    assert (type(task.ended_by), task.ended_by.reason, task.ended_by.target) == (Terminate, "I give up", None)
    with pytest.raises(Terminate, match="I give up"):  # the first awaiter, as in asyncio, also after a look at ended_by
        await task
    with pytest.raises(asyncio.CancelledError) as second:
        await task
    assert type(second.value) is asyncio.CancelledError


@pytest.mark.parametrize("made", [lambda signal: signal, lambda signal: pickle.loads(pickle.dumps(signal))])
async def test_r22_hand_raised_it_is_left_as_it_is_and_the_next_task_can_catch_it(made):
    constant = made(Terminate("out of work"))
    before = (constant.target, constant.sent_at, constant.sender, constant.reason)

    async def raises():
        raise constant

    async def catches():
        with catch(Terminate) as caught:
            raise constant
        return caught.signal.reason

    for _ in range(2):
        assert await asyncio.create_task(catches()) == "out of work"
        await asyncio.wait([asyncio.create_task(raises())])
    assert (constant.target, constant.sent_at, constant.sender, constant.reason) == before


async def test_hand_raised_in_a_task_made_directly():
    async def quits():
        raise Terminate("direct")

    task = Task(quits())
    with pytest.raises(Terminate, match="direct"):
        await task
    assert task.ended_by.reason == "direct"


async def test_r22_hand_raised_though_it_was_sent_to_another_task_once_it_can_be_caught():
    async def hands_on():
        with catch(Interrupt) as caught:
            await asyncio.get_running_loop().create_future()
        return caught.signal

    task = asyncio.create_task(hands_on())
    await turns(1)
    task.interrupt("why")
    signal = await task
    with catch(Interrupt) as caught:
        raise signal
    assert caught.signal.reason == "why"
