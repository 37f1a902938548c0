"""What is refused, and that the error names the object, its state and the next move. A refused call changes nothing."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest
from tasks import end_of, forever, started

from sigtask import (
    Drain,
    Interrupt,
    Kill,
    Ladder,
    Signal,
    Task,
    Terminate,
    accept,
    catch,
    extend,
    mask,
    on_signal,
    requested,
    run,
    stop,
    time_left,
    until,
    wait_requested,
)
from sigtask.testing import FakeClockLoop, turns

BLOCKS = [lambda: accept(Drain), lambda: mask(), lambda: on_signal(Drain, print), lambda: catch(Interrupt)]
EVERY_BLOCK = pytest.mark.parametrize("make", BLOCKS, ids=["accept", "mask", "on_signal", "catch"])


@pytest.mark.parametrize("bad", [42, "Terminate", None, ValueError, ValueError("x"), asyncio.CancelledError, Signal])
async def test_send_signal_takes_signals_only(bad):
    task = await started(forever())
    with pytest.raises(TypeError, match=r"send_signal\(\) takes a signal \(Drain"):
        task.send_signal(bad)
    with pytest.raises(TypeError, match=r"send_signal_threadsafe\(\) takes a signal"):
        task.send_signal_threadsafe(bad)
    assert (task.history, task.cancelling()) == ((), 0)
    task.kill()


async def test_the_bare_signal_has_no_strength_to_be_sent_with():
    task = await started(forever())
    with pytest.raises(TypeError):
        task.send_signal(Signal("weightless"))
    task.kill()


async def test_cancel_takes_msg_or_reason_not_both():
    task = await started(forever())
    with pytest.raises(TypeError, match="not both"):
        task.cancel("msg", reason="reason")
    assert (task.history, task.cancelling()) == ((), 0)
    task.kill()


async def test_send_signal_from_the_wrong_thread_names_the_right_call():
    task = await started(forever())
    errors = []

    def sends():
        try:
            task.terminate()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=sends)
    thread.start()
    thread.join()
    assert len(errors) == 1 and "use send_signal_threadsafe() from here" in errors[0]
    assert task.history == ()
    task.kill()


def test_send_signal_threadsafe_on_a_closed_loop_is_a_runtime_error():
    loop = FakeClockLoop()

    async def makes():
        return Task(turns(0))

    task = loop.run_until_complete(makes())
    loop.run_until_complete(task)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        task.send_signal_threadsafe(Terminate)


@pytest.mark.parametrize("make", [accept, mask, catch, lambda cls: on_signal(cls, print)])
def test_a_block_takes_signal_classes_only(make):
    for bad in (42, Drain(), ValueError, "Drain", None):
        with pytest.raises(TypeError, match="takes a signal class such as Drain"):
            make(bad)


@pytest.mark.parametrize("make", [accept, mask, catch, lambda cls: on_signal(cls, print)])
def test_no_block_takes_a_kill(make):
    with pytest.raises(ValueError, match="the strongest that can is Terminate"):
        make(Kill)


@pytest.mark.parametrize("bad", [None, 42, forever])
def test_on_signal_takes_a_function_that_does_not_wait(bad):
    with pytest.raises(TypeError, match="a function to call at once, not async"):
        on_signal(Drain, bad)


@EVERY_BLOCK
def test_a_block_outside_a_task_says_so(make):
    with pytest.raises(RuntimeError, match="works in a task, or in a function"):
        with make():
            pass


@EVERY_BLOCK
async def test_a_block_in_a_callback_of_the_loop_says_so(make):
    errors = []

    def callback():
        try:
            make().__enter__()
        except RuntimeError as error:
            errors.append(str(error))

    asyncio.get_running_loop().call_soon(callback)
    await turns(2)
    assert len(errors) == 1 and "works in a task, or in a function" in errors[0]


@EVERY_BLOCK
async def test_a_block_in_a_stock_task_does_nothing_and_warns_at_the_line(make):
    async def worker():
        with pytest.warns(RuntimeWarning, match=r"does nothing in a stock asyncio task: call sigtask\.install") as w:
            with make() as block:
                await turns(1)
        assert [one.filename for one in w] == [__file__]
        assert not block

    await asyncio.Task(worker())


async def test_a_stock_task_can_be_asked_for_nothing_and_is_told_so():
    async def worker():
        with pytest.warns(RuntimeWarning, match=r"requested\(\) does nothing") as w:
            assert requested() is None
        assert [one.filename for one in w] == [__file__]
        with pytest.warns(RuntimeWarning, match=r"catch\(Drain\) does nothing") as w:
            assert await until(Drain, asyncio.sleep(0, "done")) == "done"
        assert [one.filename for one in w] == [__file__]
        with pytest.warns(RuntimeWarning, match=r"mask\(Terminate\) does nothing") as w:
            await mask(Terminate)(turns)(1)
        assert [one.filename for one in w] == [__file__]
        with pytest.warns(RuntimeWarning, match=r"time_left\(\) does nothing"):
            assert time_left() is None
        with pytest.warns(RuntimeWarning, match=r"extend\(\) does nothing"):
            assert extend(1) == 0
        with pytest.warns(RuntimeWarning, match=r"wait_requested\(\) does nothing"):
            await wait_requested()

    task = asyncio.Task(worker())
    await turns(6)
    task.cancel()  # wait_requested() waits for what cannot come
    await asyncio.wait([task])
    assert task.cancelled()


async def test_requested_takes_signal_classes_only():
    with pytest.raises(TypeError, match="takes a signal class"):
        requested(42)
    with pytest.raises(TypeError, match="takes a signal class"):
        await wait_requested(ValueError)


@EVERY_BLOCK
def test_a_block_decorates_async_functions_only(make):
    for bad in (len, lambda: None, 42):
        with pytest.raises(TypeError, match=r"needs an async function \(async def\), got"):
            make()(bad)


@EVERY_BLOCK
def test_a_block_does_not_decorate_an_async_generator(make):
    async def generates():
        yield 1

    with pytest.raises(TypeError, match="needs an async function"):
        make()(generates)


@EVERY_BLOCK
async def test_a_refused_entry_leaves_the_block_usable(make):
    block, errors = make(), []

    def callback():
        try:
            block.__enter__()
        except RuntimeError as error:
            errors.append(error)

    asyncio.get_running_loop().call_soon(callback)
    await turns(2)
    assert errors
    with block:
        await turns(1)


async def test_a_task_takes_a_coroutine_only():
    for bad in (42, None, forever, asyncio.get_running_loop().create_future()):
        with pytest.raises(TypeError, match="a coroutine was expected"):
            Task(bad)


async def test_each_line_that_uses_a_block_in_a_stock_task_is_warned_of_once():
    async def worker():
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("default")
            for _ in range(3):
                with mask():
                    pass
                with mask():
                    pass
        return len(seen)

    assert await asyncio.Task(worker()) == 2


async def test_until_takes_signal_classes_only_and_leaves_what_it_was_given_unrun():
    coro = turns(1)
    with pytest.raises(TypeError, match=r"until\(\) takes a signal class"):
        await until(42, coro)
    with pytest.raises(ValueError, match="a Kill cannot be held"):
        await until(Kill, coro)
    await coro


@pytest.mark.parametrize("msg", [Terminate, Signal], ids=str)
async def test_r4_a_class_of_signals_as_message_is_a_message_as_any(msg):
    task = await started(forever())
    task.cancel(msg)
    end = await end_of(task)
    assert (type(end), end.args) == (asyncio.CancelledError, (msg,))


async def test_a_signal_without_a_level_cannot_be_sent_as_a_message():
    task = await started(forever())
    with pytest.raises(TypeError, match="takes a signal"):
        task.cancel(Signal("x"))
    assert task.history == ()
    task.cancel()


async def test_a_mask_that_would_hold_nothing_is_told():
    with pytest.raises(ValueError, match=r"say mask\(Terminate\)"):
        mask(Signal)


async def test_a_list_of_tasks_is_told_how_to_stop_them():
    with pytest.raises(TypeError, match=r"say stop\(\*tasks\)"):
        await stop([asyncio.current_task()])


@pytest.mark.parametrize("seconds", ["1", None, -1])
async def test_seconds_that_are_none_are_named(seconds):
    with pytest.raises(ValueError, match="seconds"):
        extend(seconds)
    if seconds is not None:
        with pytest.raises(ValueError, match="seconds"):
            mask(within=seconds)


@pytest.mark.parametrize(
    "refused",
    [
        lambda huge: accept(huge),
        lambda huge: requested(huge),
        lambda huge: asyncio.current_task().send_signal(huge),
        lambda huge: Ladder(huge),
        lambda huge: Ladder((Terminate, huge)),
        lambda huge: Ladder.parse(huge),
        lambda huge: Ladder.parse(str(huge)),
        lambda huge: run(huge),
    ],
)
async def test_an_error_does_not_show_megabytes_of_what_it_was_given(refused):
    with pytest.raises((TypeError, ValueError)) as caught:
        refused(["x"] * 10**6)
    assert len(str(caught.value)) < 1000


async def test_the_repr_of_a_signal_shows_the_beginning_of_a_very_long_reason():
    assert repr(Drain("x" * 10**6)) == f"Drain('{'x' * 199}, level=10)"


async def test_a_report_for_people_shows_the_beginning_of_very_long_names_and_reasons():
    task = await started(forever())
    task.set_name("n" * 10**6)
    report = await stop(task, ladder=Ladder((Terminate, 5), Kill), reason="r" * 10**6)
    assert len(str(report)) < 1000 and len(report.reason) == 10**6
    task = await started(forever())
    task.set_name("n" * 10**6)
    assert len(str(await stop(task, ladder=Ladder(Kill)))) < 1000


def test_a_mask_for_more_seconds_than_a_timer_can_count_is_told():
    with pytest.raises(ValueError, match="seconds"):
        mask(within=10**400)


class Weighs(Terminate):
    """A level of each instance, where only the class may have one."""

    def __init__(self, level=45):
        super().__init__("why")
        self.level = level


@pytest.mark.parametrize("bad", [Weighs, Weighs(35)])
async def test_r1_a_signal_with_another_level_than_its_class_is_not_sent(bad):
    task = await started(forever())
    for send in (task.send_signal, task.send_signal_threadsafe, lambda signal: task.cancel(reason=signal)):
        with pytest.raises(TypeError, match="set it in the class body"):
            send(bad)
    assert (task.history, task.cancelling()) == ((), 0)
    task.kill()
