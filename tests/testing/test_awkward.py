"""Operations that do what nobody should: `explore()` says so, and goes on."""

import asyncio
import gc
import sys
import warnings

import pytest

from sigtask import Kill, Terminate
from sigtask.testing import FakeClockLoop, explore, turns

PLAIN = asyncio.CancelledError


async def box():
    return []


async def rests(box):
    await asyncio.sleep(1)


def found(operation, **options):
    """What is found, as one text for each failure."""
    return [" | ".join(one.found) for one in explore(operation, **{"signals": PLAIN, **options}).failures]


# -- what it does -----------------------------------------------------------------------------------------------------


def test_a_cleanup_that_calls_sys_exit_is_a_finding_and_the_exploration_goes_on():
    async def exits():
        try:
            await asyncio.sleep(1)
        except PLAIN:
            sys.exit(3)
        await asyncio.sleep(1)

    (text,) = found(exits)
    assert text.startswith("raised SystemExit: 3 at ")


def test_an_operation_that_calls_sys_exit_by_itself_is_said_to():
    async def exits():
        await asyncio.sleep(1)
        sys.exit(3)

    with pytest.raises(RuntimeError, match="fails without any signal: SystemExit: 3"):
        explore(exits)


def test_a_keyboard_interrupt_ends_the_exploration():
    async def interrupted():
        try:
            await asyncio.sleep(1)
        except PLAIN:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        explore(interrupted)


def test_an_operation_that_stops_the_loop_is_explored_to_the_end():
    async def stops():
        asyncio.get_running_loop().stop()
        await asyncio.sleep(1)

    exploration = explore(stops, signals=(Terminate, PLAIN))
    exploration.assert_passed()
    assert exploration.runs == 2


def test_an_operation_that_cancels_and_awaits_all_other_tasks_meets_its_own_alone():
    seen = []

    async def cancels_all():
        child = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(1)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        seen.append(others == [child])
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    explore(cancels_all, tasks=0, signals=Terminate, reuse=False)
    assert seen
    assert all(seen)


def test_a_task_factory_and_an_exception_handler_that_it_sets_are_gone_in_the_next_run():
    async def child():
        await asyncio.sleep(0)

    async def sets():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        loop.set_task_factory(lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop, **kwargs))
        await asyncio.create_task(child())

    exploration = explore(sets, signals=(Terminate, PLAIN))
    exploration.assert_passed()
    assert (exploration.runs, exploration.notes) == (4, ())


def test_a_coroutine_that_even_a_kill_does_not_end_spoils_no_later_run():
    async def refuses():
        try:
            await asyncio.sleep(1)
        except PLAIN:
            while True:
                try:
                    await asyncio.sleep(3600)
                except PLAIN:
                    continue

    exploration = explore(refuses, signals=(Terminate, Kill))
    assert [one.token for one in exploration.failures] == ["terminate.t0.p1"]


def test_a_clock_that_has_jumped_for_ten_years_goes_on():
    async def sleeps():
        await asyncio.sleep(3e8)
        await asyncio.sleep(1)
        return "awake"

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        assert runner.run(sleeps()) == "awake"
    explore(sleeps, signals=Terminate).assert_passed()


def test_a_setup_that_is_suspended_only_now_and_then_gives_the_same():
    times = iter(range(1000))

    async def sometimes():
        if next(times) % 3 == 2:
            async with asyncio.timeout(5):
                await asyncio.sleep(1)
                await turns(2)
        return ["a state"]

    async def uses(state):
        await asyncio.sleep(len(state))

    exploration = explore(uses, setup=sometimes, signals=(Terminate, Kill, PLAIN))
    exploration.assert_passed()
    assert exploration.runs == 3


def test_a_setup_that_is_suspended_now_and_then_and_fails_is_said_to():
    times = iter(range(1000))

    async def sometimes():
        if next(times) == 2:
            await asyncio.sleep(1)
            raise OSError("no such host")

    exploration = explore(rests, setup=sometimes, signals=(Terminate, PLAIN))
    assert exploration.runs == 1
    assert any("OSError: no such host" in note for note in exploration.notes)


def test_what_a_first_state_leaves_for_the_garbage_collector_is_nobodys_finding():
    class Resource:
        def __del__(self):
            warnings.warn("unclosed resource", ResourceWarning, stacklevel=1)

    async def makes():
        return Resource()

    explore(rests, setup=makes, signals=(Terminate, PLAIN)).assert_passed()


# -- checks -----------------------------------------------------------------------------------------------------------


async def raises_cancelled(box):
    raise PLAIN


def exits(box):
    sys.exit(1)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (raises_cancelled, "CancelledError"),
        (lambda box: (_ for _ in ()).throw(PLAIN), "CancelledError at "),
        (exits, "SystemExit: 1 at "),
    ],
    ids=["async", "plain", "exit"],
)
def test_a_check_that_is_cancelled_or_exits_has_failed_itself(check, words):
    with pytest.raises(AssertionError, match=rf"check\(\) itself failed: {words}"):
        explore(rests, setup=box, check=check)


def test_the_traceback_of_a_check_shows_none_of_the_kits_lines():
    async def fills(box):
        box.append(1)
        await asyncio.sleep(1)

    def check(box):
        assert not box, "it is full"

    with pytest.raises(AssertionError, match=r"check: it is full\nTraceback[\s\S]* in check\n") as raised:
        explore(fills, setup=box, check=check, signals=PLAIN)
    assert "_explore" not in str(raised.value)


# -- what it is given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"setup": box}, "the operation bare.. is to take one argument"),
        ({"check": rests}, "the check rests.box. is to take no argument, as there is no setup"),
        ({"signals": 5}, "5 is neither a signal"),
        ({"signals": "kill"}, "'kill' is neither a signal"),
        ({"signals": None}, "None is neither a signal"),
        ({"limit": True}, "1 or more"),
        ({"tasks": None}, "numbers of tasks"),
        ({"tasks": True}, "numbers of tasks"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_run(options, words):
    ran = []

    async def bare():
        ran.append(1)

    with pytest.raises((TypeError, ValueError), match=words):
        explore(bare, **options)
    assert not ran


def test_an_async_generator_function_is_refused_in_words():
    async def yields():
        yield 1

    with pytest.raises(TypeError, match="without a `yield`"):
        explore(yields)


def test_tasks_that_there_are_none_of_are_said_to_be_missing():
    exploration = explore(rests, setup=box, tasks=[7])
    assert not exploration
    assert "none of the tasks that were asked for is ever suspended; those that are: 0" in exploration.notes


def test_one_token_may_stand_alone_as_first():
    assert explore(rests, setup=box, first="kill.t0.p1", limit=1).signals[2] == "Kill"


def test_signals_of_one_class_have_tokens_of_their_own_and_each_repeats_its_run():
    reasons = []

    async def notes():
        try:
            await asyncio.sleep(1)
        except Terminate as signal:
            reasons.append(signal.reason)
            if signal.reason == "b":
                raise OSError from None
            raise

    exploration = explore(notes, signals=(Terminate, Terminate("a"), Terminate("b"), Terminate))
    assert [(one.signal, one.token) for one in exploration.failures] == [("Terminate('b')", "s2.t0.p1")]
    assert exploration.runs == 3
    reasons.clear()
    assert len(exploration.repeat("s2.t0.p1").failures) == 1
    assert reasons == ["b"]


def test_a_signal_class_made_in_a_function_has_a_token_that_repeats():
    class Full(Terminate):
        level = 35

    async def breaks():
        try:
            await asyncio.sleep(1)
        except Full:
            raise OSError from None

    exploration = explore(breaks, signals=Full)
    (failure,) = exploration.failures
    assert failure.token == "full.t0.p1"
    assert len(exploration.repeat(failure.token).failures) == 1


def test_an_operation_of_a_hundred_and_fifty_awaits_is_explored():
    async def long():
        for _ in range(150):
            await asyncio.sleep(0)

    exploration = explore(long, signals=Terminate)
    exploration.assert_passed()
    assert (exploration.runs, len(exploration.points)) == (150, 150)
    gc.collect()


def test_a_second_use_that_hangs_is_over_before_the_next_run():
    async def lock():
        return asyncio.Lock()

    async def holds(lock):
        await lock.acquire()
        await asyncio.sleep(1)
        lock.release()

    async def waits(lock):
        if lock.locked():
            await lock.acquire()

    found = explore(holds, setup=lock, check=waits, signals=(Terminate, PLAIN)).failures
    assert len(found) == 2
    assert [one for one in found if any("runs on" in words for words in one.found)] == []
    held, again = explore(holds, setup=lock, signals=(Terminate, PLAIN)).failures[1].found
    assert held == "state, a Lock, is still held"
    assert again.startswith("not usable again: nothing is ready, and no timer is set, and it waits at ")
