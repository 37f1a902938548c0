"""to_thread(): signals on their way into the function, and the function's outcome on its way out."""

import asyncio
import contextvars
import functools
import gc
import sys
import threading
import time
import weakref

import pytest

import sigtask
from sigtask import (
    Drain,
    Fate,
    Interrupt,
    Ladder,
    Terminate,
    accept,
    catch,
    checkpoint,
    defer,
    extend,
    mask,
    on_signal,
    requested,
    stop,
    time_left,
    to_thread,
)
from sigtask._core.host import running
from sigtask.threads._function import Function, close_the_block_of


class Post:
    """A post that the function passes in its thread, and that the test waits for in the loop."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._passed = asyncio.Event()

    def reach(self):
        self._loop.call_soon_threadsafe(self._passed.set)

    async def reached(self):
        await self._passed.wait()

    def clear(self):
        self._passed.clear()


POST = contextvars.ContextVar("POST")


def reach():
    """From here on the signal may come: it may hit this very call."""
    POST.get().reach()


def spin():
    """Plain code without an end."""
    reach()
    while True:
        time.monotonic()


async def begun(fn, *args):
    """A task whose function has come to its `reach()`."""
    POST.set(post := Post())
    task = asyncio.create_task(to_thread(fn, *args))
    await post.reached()
    return task


def fates(task):
    return [(type(one.signal), one.fate) for one in task.history]


# -- values, errors, context ------------------------------------------------------------------------------------------


async def test_it_returns_what_the_function_returns():
    assert await to_thread(divmod, 7, 2) == (3, 1)


async def test_it_raises_what_the_function_raises():
    with pytest.raises(ZeroDivisionError, match="division"):
        await to_thread(divmod, 7, 0)


async def test_a_stop_iteration_is_a_runtime_error():
    with pytest.raises(RuntimeError, match="StopIteration"):
        await to_thread(next, iter(()))


async def test_it_runs_in_another_thread_and_in_a_copy_of_the_context():
    var = contextvars.ContextVar("var", default=0)
    var.set(1)

    def look():
        found = var.get()
        var.set(2)
        return found, threading.current_thread()

    found, thread = await to_thread(look)
    assert (found, var.get()) == (1, 1)
    assert thread is not threading.current_thread()


async def test_what_the_function_was_given_is_freed_without_the_collector():
    class Thing:
        pass

    def take(thing):
        raise ValueError("no") from None

    gc.disable()
    try:
        thing = Thing()
        ref = weakref.ref(thing)
        task = asyncio.create_task(to_thread(take, thing))
        await asyncio.wait([task])
        assert isinstance(task.exception(), ValueError)
        del task, thing
        await to_thread(int)  # the thread has let go of it
        assert ref() is None
    finally:
        gc.enable()


# -- signals on their way in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Interrupt, Terminate])
async def test_a_signal_is_raised_in_the_function_with_its_class_and_reason(cls):
    seen = []

    def work():
        try:
            spin()
        except cls as signal:
            seen.append((type(signal), signal.reason, signal.sender, signal.target))
            raise

    task = await begun(work)
    task.send_signal(cls("disk full"))
    with pytest.raises(cls, match="disk full"):
        await task
    assert seen == [(cls, "disk full", asyncio.current_task().get_name(), task)]
    assert task.ended_by.reason == "disk full"
    assert fates(task) == [(cls, Fate.DELIVERED)]


async def test_a_class_of_the_users_own_is_raised_as_that_class():
    class DiskFull(Terminate):
        pass

    def work():
        try:
            spin()
        except DiskFull as signal:
            return signal.reason

    task = await begun(work)
    task.send_signal(DiskFull("sda1"))
    assert await task == "sda1"


async def test_r6_the_strongest_of_several_is_raised():
    def work():
        try:
            spin()
        except Terminate as signal:
            return signal.reason

    task = await begun(work)
    task.interrupt("weak")
    task.terminate("strong")
    assert await task == "strong"


async def test_r5_a_repeat_does_not_tear_the_cleanup_and_a_stronger_one_does():
    post = Post()
    repeated = threading.Event()

    def work():
        try:
            spin()
        except Interrupt:
            post.reach()
            repeated.wait()
            try:
                spin()
            except Terminate:
                return "torn by the stronger one"

    task = await begun(work)
    task.interrupt()
    await post.reached()
    task.interrupt("again")
    POST.get().clear()
    repeated.set()
    await POST.get().reached()
    task.terminate()
    assert await task == "torn by the stronger one"


def in_a_thread(fn):
    thread = threading.Thread(target=fn)
    thread.start()
    thread.join()


def test_r7_a_function_signalled_before_it_begins_is_not_called():
    called = []
    function = Function(called.append, (1,))
    function.receive(Terminate("too early"))
    in_a_thread(function.run)
    assert called == []
    assert isinstance(function.error, Terminate)


async def test_r8_a_function_that_takes_a_signal_and_returns_has_consumed_it():
    def work():
        try:
            spin()
        except Interrupt:
            return "partial"

    async def main():
        value = await to_thread(work)
        return value, asyncio.current_task().cancelling()

    POST.set(post := Post())
    task = asyncio.create_task(main())
    await post.reached()
    task.interrupt()
    assert await task == ("partial", 0)
    assert fates(task) == [(Interrupt, Fate.CONSUMED)]


def test_a_signal_that_comes_when_the_function_has_ended_is_the_tasks_own():
    function = Function(int, ())
    in_a_thread(function.run)
    assert not function.receive(Terminate())
    assert not function.receive_plain(None)


# -- Drain, thresholds, masks -----------------------------------------------------------------------------------------


async def test_a_drain_is_held_and_asked_for():
    def work():
        reach()
        while not (drain := requested(Drain)):
            pass
        return drain.reason

    task = await begun(work)
    task.drain("last orders")
    assert await task == "last orders"


async def test_what_the_task_holds_already_is_there_when_the_function_begins():
    async def main():
        asyncio.current_task().drain("early")
        return await to_thread(lambda: requested(Drain).reason)

    assert await asyncio.create_task(main()) == "early"


async def test_r13_accept_lets_a_drain_be_raised():
    def work():
        with catch(Drain) as caught, accept(Drain):
            spin()
        return caught.signal.reason

    task = await begun(work)
    task.drain("now")
    assert await task == "now"


def hold_a_drain():
    reach()
    while not requested(Drain):
        pass


async def test_r13_what_is_held_is_raised_in_the_block_that_accepts_it():
    def work():
        hold_a_drain()
        try:
            with accept(Drain):
                try:
                    while True:
                        time.monotonic()
                except Drain:
                    return "inside"
        except Drain:
            return "outside"

    task = await begun(work)
    task.drain()
    assert await task == "inside"


async def test_r13_what_a_block_lets_in_is_raised_where_the_next_one_opens():
    def work():
        hold_a_drain()
        with catch(Drain) as caught, mask(Terminate):
            return "came in"
        return caught.signal.reason

    task = await begun(work)
    task.drain("held")
    assert await task == "held"


async def test_r16_catch_catches_what_is_held_when_it_is_entered():
    def work():
        hold_a_drain()
        with catch(Drain) as caught:
            while True:
                time.monotonic()
        return caught.signal.reason

    task = await begun(work)
    task.drain("held")
    assert await task == "held"


def test_r16_nothing_is_raised_at_the_edge_of_a_block_where_a_catch_would_not_catch_it():
    class Watched(Function):
        def inject(self):
            hits.append("at once")
            return True

        def inject_soon(self):
            hits.append("soon")

    def work():
        ours["__exit__"](function, Interrupt())
        function.receive(Terminate())

    hits, ours = [], {"__package__": "sigtask.threads"}
    exec("def __exit__(function, signal): function.receive(signal)", ours)
    function = Watched(work, ())
    in_a_thread(function.run)
    assert hits == ["soon", "at once"]


@pytest.mark.parametrize("block", [accept, catch])
def test_r13_what_a_block_let_in_and_was_not_raised_in_it_is_held_when_it_ends(block):
    def work():
        function.receive(Drain("late"))
        with block(Drain):
            pass  # this function's thread is hit by nothing
        return requested(Drain).reason

    function = Function(work, ())
    in_a_thread(function.run)
    assert (function.error, function.box) == (None, ["late"])
    assert [one.fate for one in function.inbox.history] == [Fate.PENDING]


async def test_r14_a_mask_holds_a_terminate_and_raises_it_at_its_end():
    def work(steps):
        with mask(Terminate):
            reach()
            while not requested(Terminate):
                pass
            checkpoint()
            steps.append("whole")
        steps.append("after")

    steps = []
    task = await begun(work, steps)
    task.terminate("held")
    with pytest.raises(Terminate, match="held"):
        await task
    assert steps == ["whole"]


async def test_r14_left_by_an_exception_that_one_goes_first_and_then_the_signal():
    def work(steps):
        try:
            with mask(Terminate):
                reach()
                while not requested(Terminate):
                    pass
                raise ValueError("first")
        except ValueError:
            steps.append("ValueError")
        while True:
            time.monotonic()

    steps = []
    task = await begun(work, steps)
    task.terminate("then")
    with pytest.raises(Terminate, match="then"):
        await task
    assert steps == ["ValueError"]


async def test_r14_the_tasks_own_mask_covers_the_function():
    def work(post, steps):
        post.reach()
        while not requested(Terminate):
            pass
        checkpoint()
        steps.append("whole")

    async def main():
        with mask(Terminate):
            await to_thread(work, post, steps)
            steps.append("the task, too")
        await asyncio.sleep(3600)  # the end of a mask raises nothing: the next await does

    post, steps = Post(), []
    task = asyncio.create_task(main())
    await post.reached()
    task.terminate()
    await asyncio.wait([task])
    assert steps == ["whole", "the task, too"]
    assert isinstance(task.ended_by, Terminate)


@pytest.mark.clock
async def test_r14_a_mask_with_within_ends_its_protection_in_the_function():
    def work():
        with mask(Terminate, within=3600):
            spin()

    task = await begun(work)
    task.terminate()
    with pytest.raises(Terminate):
        await task
    assert asyncio.get_running_loop().time() >= 3600


async def test_r14_mask_plain_holds_a_plain_cancel_until_its_end():
    def work(post, cancelled, steps):
        with mask(Terminate, plain=True):
            post.reach()
            cancelled.wait()
            checkpoint()
            steps.append("whole")
        steps.append("after")

    post, cancelled, steps = Post(), threading.Event(), []
    task = asyncio.create_task(to_thread(work, post, cancelled, steps))
    await post.reached()
    task.cancel()
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["whole"]


async def test_r16_catch_takes_it_back_and_the_function_goes_on():
    def work():
        with catch(Interrupt) as caught:
            spin()
        checkpoint()
        return caught.signal.reason

    task = await begun(work)
    task.interrupt("enough")
    assert await task == "enough"
    assert task.cancelling() == 0


async def test_r17_a_block_of_the_task_that_is_left_in_the_function_is_an_error_and_masks_no_more():
    block = mask(Terminate)
    block.__enter__()
    with pytest.raises(RuntimeError, match="must open and close in one task"):
        await to_thread(block.__exit__, None, None, None)
    assert asyncio.current_task()._inbox.mask_level == 0


async def test_a_block_hit_at_the_first_bytecode_of_its_end_is_closed_by_the_hit():
    ours = {"__package__": "sigtask.threads", "hit": lambda: close_the_block_of(sys._getframe(1))}
    exec("def __exit__(self): hit()", ours)

    def work():
        block = mask(Terminate)
        block.__enter__()
        ours["__exit__"](block)
        return running.function.inbox.blocks, running.function.inbox.mask_level

    assert await to_thread(work) == ((), 0)


async def test_the_end_of_a_block_closes_what_leaked_inside_it():
    def work():
        with mask(Interrupt):
            mask(Terminate).__enter__()
        return running.function.inbox.blocks, running.function.inbox.mask_level

    assert await to_thread(work) == ((), 0)


def test_r26_a_function_that_has_not_asked_for_a_drain_yet_gets_it_all_the_same(on_loop):
    def work(begun, told):
        begun.reach()
        told.wait()
        while not requested(Drain):
            pass

    async def main():
        post, told = Post(), threading.Event()
        task = asyncio.create_task(to_thread(work, post, told))
        await post.reached()
        stopping = asyncio.ensure_future(stop(task, ladder=Ladder((Drain, 3600), (Terminate, 1))))
        while not task.history:
            await asyncio.sleep(0)
        told.set()
        report = await stopping
        assert [rung.skipped for rung in report.rungs] == [False]
        assert report.tasks[0].ended == "returned"

    on_loop(main)


def test_r27_time_left_is_that_of_the_tasks_ladder(on_loop):
    left = []

    def work():
        try:
            spin()
        except Interrupt:
            left.append(time_left())
            raise

    async def main():
        await stop(await begun(work), ladder=Ladder((Interrupt, 3600), (Terminate, 5)))

    on_loop(main)
    assert 3500 < left[0] < 3600.001  # a little more, as floats are: (now + 3600) - now


async def test_time_left_is_none_without_a_ladder():
    assert await to_thread(time_left) is None


# -- plain cancel -----------------------------------------------------------------------------------------------------


async def test_a_plain_cancel_is_raised_and_the_task_waits_for_the_function():
    def work(steps):
        try:
            spin()
        except asyncio.CancelledError as error:
            steps.append((type(error), error.args))
            raise

    steps = []
    task = await begun(work, steps)
    task.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == [(asyncio.CancelledError, ("why",))]
    assert task.ended_by is None


async def test_a_plain_cancel_repeated_on_every_turn_is_raised_once():
    def work(post, over):
        hits = 0
        try:
            spin()
        except asyncio.CancelledError:
            hits += 1
        post.reach()
        while not over.is_set():
            try:
                checkpoint()
            except asyncio.CancelledError:
                hits += 1
        return hits

    post, over = Post(), threading.Event()
    task = await begun(work, post, over)
    task.cancel()
    await post.reached()
    for _ in range(10):
        task.cancel()
        await asyncio.sleep(0)
    over.set()
    assert await task == 1


async def test_a_timeout_around_it_ends_the_function_and_is_a_timeout_error():
    ended = []

    def work():
        defer(ended.append, True)
        spin()

    async def main():
        async with asyncio.timeout(None) as timeout:
            timeouts.append(timeout)
            await to_thread(work)

    timeouts = []
    POST.set(post := Post())
    task = asyncio.create_task(main())
    await post.reached()
    timeouts[0].reschedule(asyncio.get_running_loop().time())
    with pytest.raises(TimeoutError):
        await task
    assert ended == [True]


async def test_a_stock_task_waits_for_its_function_too():
    ended = []

    def work():
        defer(ended.append, True)
        spin()

    POST.set(post := Post())
    loop = asyncio.get_running_loop()
    task = asyncio.Task(to_thread(work), loop=loop)
    await post.reached()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ended == [True]


# -- defer ------------------------------------------------------------------------------------------------------------


async def test_what_is_deferred_runs_in_the_functions_thread_the_last_first():
    ran = []

    def note(what):
        ran.append((what, threading.current_thread()))

    def work():
        defer(note, 1)
        defer(note, what=2)
        return threading.current_thread()

    thread = await to_thread(work)
    assert ran == [(2, thread), (1, thread)]


async def test_when_a_deferred_one_raises_the_others_run_and_its_error_is_the_outcome():
    ran = []

    def fail():
        raise OSError("cleanup")

    def work():
        defer(ran.append, 1)
        defer(fail)
        raise ValueError("work")

    with pytest.raises(OSError, match="cleanup") as caught:
        await to_thread(work)
    assert ran == [1]
    assert isinstance(caught.value.__context__, ValueError)


async def test_nothing_is_raised_in_what_is_deferred():
    def work(post, signalled, steps):
        def cleanup():
            post.reach()
            signalled.wait()
            checkpoint()
            steps.append("whole")

        defer(cleanup)
        return "value"

    post, signalled, steps = Post(), threading.Event(), []
    task = asyncio.create_task(to_thread(work, post, signalled, steps))
    await post.reached()
    task.terminate("late")
    signalled.set()
    with pytest.raises(Terminate, match="late"):  # the function had ended: it is the task's own
        await task
    assert steps == ["whole"]


def counting(n):
    while True:
        n += 1


def timed(n):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        n += 1


def iterating(n):
    for n in range(10**12):  # noqa: B007  # the trap's own loop
        pass


@pytest.mark.parametrize("loop", [counting, timed, iterating])
async def test_trap_8_what_is_deferred_runs_and_the_caller_sees_the_signal_whatever_the_loop(loop):
    deferred, seen, handled = [], 0, []

    def work(shot):
        defer(deferred.append, shot)
        try:
            reach()
            loop(0)
        except Terminate:
            handled.append(shot)
            raise

    for shot in range(20):
        task = await begun(work, shot)
        task.terminate(shot)
        await asyncio.wait([task])
        seen += task.ended_by is not None and task.ended_by.reason == shot
    assert deferred == list(range(20))
    assert seen == 20


# -- bad input --------------------------------------------------------------------------------------------------------


async def _async():
    raise AssertionError("never called")


class AsyncCall:
    async def __call__(self):
        raise AssertionError("never called")


async def _generator():
    yield 1


@pytest.mark.parametrize("fn", [_async, functools.partial(_async), AsyncCall(), _generator], ids=repr)
async def test_an_async_function_is_refused_with_the_next_move(fn):
    with pytest.raises(TypeError, match="is async: it would return at once, unrun. Await it here"):
        await to_thread(fn)


async def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="takes a function to call, got 7"):
        await to_thread(7)


async def test_an_error_does_not_show_megabytes_of_what_it_was_given():
    huge = ["x"] * 10**6
    for refused in (lambda: to_thread(huge), lambda: to_thread(int, limiter=huge), lambda: to_thread(defer, huge)):
        with pytest.raises(TypeError) as caught:
            await refused()
        assert len(str(caught.value)) < 400


async def test_a_coroutine_is_refused_with_a_hint():
    coro = _async()
    with pytest.raises(TypeError, match="give the function itself"):
        await to_thread(coro)
    coro.close()


async def test_a_limiter_that_is_none_is_refused():
    with pytest.raises(TypeError, match="give an asyncio.Semaphore"):
        await to_thread(int, limiter=4)


async def test_on_signal_and_extend_say_that_they_work_in_tasks_only():
    def block():
        with on_signal(Drain, print):
            raise AssertionError("never")

    with pytest.raises(RuntimeError, match=r"on_signal.* works in a task only"):
        await to_thread(block)
    with pytest.raises(RuntimeError, match=r"extend\(\) works in a task only"):
        await to_thread(extend, 1)


@pytest.mark.parametrize("call", [checkpoint, lambda: defer(print)])
async def test_checkpoint_and_defer_outside_of_a_function_say_where_they_work(call):
    with pytest.raises(RuntimeError, match=r"sigtask.to_thread\(\)"):
        call()


async def test_defer_refuses_what_cannot_be_called():
    with pytest.raises(TypeError, match="defer.* takes a function to call, got 3"):
        await to_thread(defer, 3)


async def test_defer_refuses_an_async_function_which_nobody_would_await():
    with pytest.raises(TypeError, match="defer.* is async: nobody would await it. Give a plain function"):
        await to_thread(defer, _async)


async def test_a_loop_of_its_own_in_the_thread_has_tasks_of_its_own():
    async def inside():
        return requested(Drain), type(asyncio.current_task())

    def work():
        with asyncio.Runner() as runner:
            sigtask.install(runner.get_loop())
            return runner.run(inside()), running.function is not None

    (held, kind), there = await to_thread(work)
    assert (held, there) == (None, True)
    assert issubclass(kind, sigtask.Task)


async def test_without_ctypes_a_signal_is_raised_at_a_checkpoint(monkeypatch):
    from sigtask.threads import _hit

    def work(post, sent):
        post.reach()
        sent.wait()
        checkpoint()

    monkeypatch.setattr(_hit, "_hit", None)
    post, sent = Post(), threading.Event()
    task = asyncio.create_task(to_thread(work, post, sent))
    await post.reached()
    task.terminate("checked")
    sent.set()
    with pytest.raises(Terminate, match="checked"):
        await task
