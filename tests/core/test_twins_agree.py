"""What the twin in C once did otherwise than its specification, or did wrong: found by reading it line by line."""

import asyncio
import gc
import inspect
import weakref

import pytest

import sigtask
from sigtask import Drain, Kill, Terminate, accept, catch, mask


class Thing:
    """A reason that has whatever a test puts into it."""


class WithAFinalizer(sigtask.Task):
    def __del__(self):
        pass


async def sleeps():
    await asyncio.sleep(100)


async def swallows():
    while True:
        try:
            await asyncio.sleep(100)
        except Terminate:
            pass


async def turns(n=2):
    for _ in range(n):
        await asyncio.sleep(0)


def run(main, *, eager=False):
    async def begin():
        sigtask.install(eager=eager)
        return await asyncio.create_task(main())

    return asyncio.run(begin())


# -- what a parent handles when it cancels a child (R9) ----------


async def cause_of_a_cancel_in(handler):
    async def parent():
        child = asyncio.create_task(sleeps())
        try:
            await asyncio.sleep(100)
        except Terminate:
            handler(child)
        with pytest.raises(asyncio.CancelledError) as caught:
            await child
        return caught.value.__cause__

    task = asyncio.create_task(parent())
    await turns()
    task.terminate("disk full")
    return await task


def test_a_cancel_in_the_handler_of_a_builtin_error_has_the_parents_signal_as_its_cause():
    def handler(child):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:  # of which no weak reference can be had
            child.cancel()

    assert run(lambda: cause_of_a_cancel_in(handler)).reason == "disk full"


def test_a_ring_of_contexts_does_not_hang_a_cancel():
    def handler(child):
        one, other = OSError(1), OSError(2)
        one.__context__, other.__context__ = other, one
        try:
            raise one
        except OSError:
            one.__context__ = other  # Python has cut the ring open
            child.cancel()

    assert run(lambda: cause_of_a_cancel_in(handler)) is None


# -- levels ----------


class Huge(Kill):
    level = 10**30


@pytest.mark.parametrize("before", [None, Terminate])
def test_a_level_that_is_larger_than_a_c_number_kills(before):
    async def main():
        task = asyncio.create_task(sleeps())
        await turns()
        if before is not None:
            task.send_signal(before)
        assert task.send_signal(Huge)
        await asyncio.wait([task])
        assert isinstance(task.ended_by, Huge)

    run(main)


# -- classes ----------


def test_inspect_knows_what_a_signal_is_made_of():
    class Own(Terminate):
        def __init__(self, disk):
            super().__init__(f"{disk} is full")

    assert list(inspect.signature(Terminate).parameters) == ["reason", "sender"]
    assert list(inspect.signature(Own).parameters) == ["disk"]


@pytest.mark.parametrize("name", ["reason", "sender", "sent_at"])
def test_a_class_that_hides_what_each_signal_has_is_refused(name):
    mixin = type("Mixin", (), {name: "of the class"})
    with pytest.raises(TypeError, match=f"Own.{name} hides"):
        type("Own", (Terminate,), {name: "of the class"})
    with pytest.raises(TypeError, match=f"Mixin.{name} hides"):
        type("Own", (mixin, Terminate), {})


# -- what is let go of in the middle ----------


def test_a_finalizer_of_a_reason_may_signal_the_task_whose_history_forgets_it():
    class Reason:
        told = 0

        def __del__(self):
            if Reason.told < 300:
                Reason.told += 1
                task.terminate(Reason())

    async def main():
        nonlocal task
        task = asyncio.create_task(swallows())
        await turns()
        for _ in range(150):
            task.terminate(Reason())
            await turns()
        assert len(task.history) == 20
        Reason.told = 300
        task.kill()
        await asyncio.wait([task])

    task = None
    run(main)


def test_a_signal_that_a_finalizer_sends_while_another_is_noted_is_not_lost_sight_of():
    class Reason:
        def __del__(self):
            if task is not None:
                task.terminate("from a finalizer")

    async def main():
        nonlocal task
        own = asyncio.create_task(swallows())
        await turns()
        for _ in range(39):
            own.terminate(Reason())
            await turns()
        task = own
        own.terminate("the fortieth")  # the oldest is forgotten, and its reason sends another
        task = None
        await turns()
        assert {one.fate.value for one in own.history} == {"delivered", "superseded"}
        own.kill()
        await asyncio.wait([own])

    task = None
    run(main)


# -- no leaks: a reason that has the task ----------


async def killed_twice(thing):
    thing.task = asyncio.create_task(sleeps())
    await turns()
    thing.task.kill(thing)
    thing.task.terminate(thing)
    await asyncio.wait([thing.task])


async def drained_twice(thing):
    thing.task = asyncio.create_task(sleeps())
    await turns()
    thing.task.drain(thing)
    thing.task.drain(thing)
    thing.task.cancel()
    await asyncio.wait([thing.task])


async def caught_in_a_block(thing):
    async def catches():
        with catch(Terminate) as thing.block:
            await asyncio.sleep(100)

    task = asyncio.create_task(catches())
    await turns()
    task.terminate(thing)
    await task


async def kept_of_its_history(thing):
    task = asyncio.create_task(sleeps())
    await turns()
    task.terminate(thing)
    await asyncio.wait([task])
    thing.record = task.history[-1]


@pytest.mark.parametrize("deed", [killed_twice, drained_twice, caught_in_a_block, kept_of_its_history])
def test_a_reason_that_leads_back_to_the_signal_is_collected(deed):
    async def main():
        thing = Thing()
        await deed(thing)
        return weakref.ref(thing)

    ref = run(main)
    gc.collect()
    assert ref() is None


def test_what_a_catch_has_caught_is_a_copy_of_its_own_to_be_raised():
    async def catches():
        with catch(Drain) as caught:
            await asyncio.sleep(100)
        assert caught.signal is caught.signal
        return caught.signal

    async def main():
        task = asyncio.create_task(catches())
        await turns()
        task.drain("reason")
        signal = await task
        assert signal is not task.history[0].signal
        assert (signal.reason, signal.target, signal.origin) == ("reason", task, task.history[0].given)

    run(main)


@pytest.mark.parametrize(
    ("name", "value"), [("reason", "changed"), ("sender", "changed"), ("sender", None), ("args", ("changed",))]
)
def test_what_a_catch_has_caught_has_what_the_task_has_put_into_it(name, value):
    async def catches():
        with catch(Terminate) as caught:
            try:
                await asyncio.sleep(100)
            except Terminate as error:
                setattr(error, name, value)
                raise
        return getattr(caught.signal, name)

    async def main():
        task = asyncio.create_task(catches())
        await turns()
        task.terminate("reason")
        assert await task == value

    run(main)


@pytest.mark.parametrize("ask_first", [False, True])
@pytest.mark.parametrize("name", ["reason", "sender", "args"])
def test_every_awaiter_sees_what_the_task_has_put_into_the_signal_that_ended_it(name, ask_first):
    async def changes():
        try:
            await asyncio.sleep(100)
        except Terminate as error:
            setattr(error, name, ("changed",))
            raise

    async def main():
        task = asyncio.create_task(changes())
        await turns()
        task.terminate("reason")
        await asyncio.wait([task])
        seen = [task.ended_by] if ask_first else []
        for _ in range(3):
            with pytest.raises(Terminate) as caught:
                await task
            seen.append(caught.value)
        assert {getattr(one, name) for one in [*seen, task.ended_by]} == {("changed",)}

    run(main)


# -- the name of a task that is gone ----------


async def target_of_what_it_swallowed():
    saved = []

    async def keeps():
        try:
            await asyncio.sleep(100)
        except Terminate as error:
            saved.append(error.with_traceback(None))

    task = asyncio.create_task(keeps(), name="n")
    await turns()
    task.terminate()
    await task
    return task, saved[0]


async def target_of_what_its_awaiter_saw(cls=sigtask.Task):
    task = cls(sleeps(), name="n")
    await turns()
    task.terminate()
    try:
        await task
    except Terminate as error:
        return task, error.with_traceback(None)


async def target_of_one_with_a_finalizer():
    return await target_of_what_its_awaiter_saw(WithAFinalizer)


@pytest.mark.parametrize(
    "found", [target_of_what_it_swallowed, target_of_what_its_awaiter_saw, target_of_one_with_a_finalizer]
)
def test_a_signal_that_somebody_keeps_names_its_target_when_that_goes_and_after(found):
    async def main():
        task, signal = await found()
        await turns()
        seen = []
        ref = weakref.ref(task, lambda _: seen.append(signal.target))
        del task
        gc.collect()
        assert ref() is None
        assert (seen, signal.target) == (["n"], "n")

    run(main)


# -- what was thrown ----------


def test_who_takes_the_traceback_off_a_signal_and_goes_on_is_not_named():
    async def goes_on():
        try:
            await asyncio.sleep(100)
        except Terminate as error:
            error.__traceback__ = None
        await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(goes_on())
        await turns()
        task.terminate()
        await task
        assert task.history[0].caught_at is None

    run(main)


# -- blocks ----------


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="eager tasks need Python 3.12")
def test_an_eager_child_that_closes_its_parents_block_is_told():
    async def main():
        block = mask()
        block.__enter__()

        async def child():
            with pytest.raises(RuntimeError, match="a block must open and close in one task"):
                block.__exit__(None, None, None)

        await asyncio.create_task(child())

    run(main, eager=True)


def test_a_block_that_is_initialized_again_is_as_new():
    async def catches():
        block = catch(Terminate)
        with block:
            await asyncio.sleep(100)
        assert block
        block.__init__(Terminate)
        assert not block

    async def main():
        task = asyncio.create_task(catches())
        await turns()
        task.terminate()
        await task
        block = mask(Drain, within=5, plain=True)
        block.__init__(Terminate)
        assert (block.within, block.plain) == (None, False)

    run(main)


@pytest.mark.parametrize("cls", [accept, mask, catch])
def test_what_opens_a_block_takes_no_arguments(cls):
    async def main():
        with pytest.raises(TypeError):
            cls(Drain).__enter__(1)

    run(main)
