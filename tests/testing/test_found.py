"""`explore()` finds what is planted, one bug of each kind, says where, and finds nothing where there is nothing."""

import asyncio
import contextlib
import warnings

import pytest

from sigtask import Interrupt, Kill, Terminate
from sigtask.testing import explore

PLAIN = asyncio.CancelledError


class Account:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.places = asyncio.Semaphore(2)
        self.ready = asyncio.Condition()
        self.money = [100, 0]


async def account():
    return Account()


def found(operation, **options):
    """What is found, as one text for each failure."""
    options.setdefault("setup", account)
    return [" | ".join(one.found) for one in explore(operation, **options).failures]


def test_an_operation_that_cleans_up_passes_at_every_await_with_every_signal():
    async def transfer(account):
        async with account.lock, account.places:
            await asyncio.sleep(1)
            account.money[0] -= 1
            account.money[1] += 1
            await asyncio.sleep(0)

    def check(account):
        assert sum(account.money) == 100

    exploration = explore(transfer, setup=account, check=check, pairs=True)
    exploration.assert_passed()
    assert (len(exploration.points), exploration.runs) == (2, 8)


def test_a_lock_that_is_still_held_is_found_with_the_way_to_it():
    async def holds(account):
        await account.lock.acquire()
        await asyncio.sleep(1)
        account.lock.release()

    exploration = explore(holds, setup=account, signals=Terminate)
    (failure,) = exploration.failures
    assert failure.found[0] == "state.lock, a Lock, is still held"
    assert "not usable again" in failure.found[1]
    assert (failure.signal, failure.source, failure.token) == ("Terminate", "await asyncio.sleep(1)", "terminate.t0.p1")


def test_a_place_of_a_semaphore_that_is_lost_is_found():
    async def takes(account):
        await account.places.acquire()
        await asyncio.sleep(1)
        account.places.release()

    assert found(takes, signals=PLAIN) == ["state.places, a Semaphore, has 1 free places, and had 2"]


def test_a_semaphore_that_is_released_twice_is_found():
    async def gives(account):
        await account.places.acquire()
        try:
            await asyncio.sleep(1)
        except PLAIN:
            account.places.release()
            raise
        finally:
            account.places.release()

    assert found(gives, signals=PLAIN) == ["state.places, a Semaphore, has 3 free places, and had 2"]


def test_the_lock_of_a_condition_that_is_held_is_found():
    async def holds(account):
        await account.ready.acquire()
        await asyncio.sleep(1)
        account.ready.release()

    (text,) = found(holds, signals=PLAIN)
    assert text.startswith("state.ready._lock, a Lock, is still held")


def test_a_lock_that_the_function_has_otherwise_is_found():
    lock = asyncio.Lock()

    async def holds():
        if lock.locked():
            lock.release()
        await lock.acquire()
        await asyncio.sleep(1)
        lock.release()

    assert found(holds, setup=None, signals=PLAIN) == ["lock, a Lock, is still held"]


def test_a_task_that_runs_on_is_found_and_named_with_its_place():
    async def background():
        await asyncio.sleep(100)

    async def starts(account):
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        task.cancel()

    (failure,) = explore(starts, setup=account, signals=Terminate, tasks=0).failures
    assert "background() runs on at" in failure.found[0]
    assert "test_found.py:" in failure.found[0]


def test_a_task_that_a_plain_run_leaves_too_is_noted_and_not_counted():
    async def background():
        await asyncio.sleep(100)

    async def starts(account):
        account.task = asyncio.create_task(background())
        await asyncio.sleep(1)

    exploration = explore(starts, setup=account, signals=Terminate, tasks=0)
    exploration.assert_passed()
    assert any("background() runs on" in note for note in exploration.notes)


def test_another_error_in_the_place_of_the_signal_is_found():
    async def fails(account):
        try:
            await asyncio.sleep(1)
        finally:
            account.gone.close()

    async def setup():
        made = Account()
        made.gone = contextlib.ExitStack()
        return made

    async def raises(account):
        try:
            await asyncio.sleep(1)
        except PLAIN:
            raise OSError("the disk is full") from None

    assert found(fails, setup=setup) == []
    texts = found(raises, signals=(Terminate, PLAIN))
    assert len(texts) == 2
    assert all(text.startswith("raised OSError: the disk is full at ") for text in texts)


@pytest.mark.parametrize("signal", [Terminate, PLAIN])
def test_a_signal_that_is_swallowed_is_found(signal):
    async def swallows(account):
        with contextlib.suppress(PLAIN):
            await asyncio.sleep(1)
        await asyncio.sleep(2)

    (text,) = found(swallows, signals=signal)
    assert text.startswith("swallowed the signal, and went on at ")


def test_an_interrupt_may_be_taken_and_so_may_a_signal_that_the_operation_returns_from_at_once():
    async def goes_on(account):
        with contextlib.suppress(PLAIN):
            await asyncio.sleep(1)
        await asyncio.sleep(2)

    async def returns(account):
        with contextlib.suppress(PLAIN):
            await asyncio.sleep(1)

    assert found(goes_on, signals=Interrupt) == []
    assert found(returns, signals=(Terminate, PLAIN)) == []


async def numbers():
    try:
        for number in range(3):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)


def test_an_async_generator_that_is_left_open_is_found():
    async def reads(account):
        async for _ in numbers():
            await asyncio.sleep(1)

    texts = found(reads, signals=PLAIN)
    assert texts
    assert all("the async generator numbers" in text for text in texts)


def test_an_async_generator_that_is_closed_is_no_finding():
    async def reads(account):
        async with contextlib.aclosing(numbers()) as steps:
            async for _ in steps:
                await asyncio.sleep(1)

    assert found(reads, signals=(Terminate, PLAIN)) == []


class Resource:
    def __init__(self):
        self.is_open = True
        self.me = self  # a cycle: only the garbage collector finds it

    def close(self):
        self.is_open = False

    def __del__(self):
        if self.is_open:
            warnings.warn("unclosed resource", ResourceWarning, stacklevel=1, source=self)


def test_a_resource_that_only_the_garbage_collector_finds_unclosed_is_put_down_to_the_right_runs():
    async def opens(account):
        await asyncio.sleep(0)
        resource = Resource()
        await asyncio.sleep(1)
        resource.close()
        await asyncio.sleep(0)

    exploration = explore(opens, setup=account, signals=(Terminate, PLAIN))
    assert [one.token for one in exploration.failures] == ["terminate.t0.p2", "cancel.t0.p2"]
    assert all(one.found == ("ResourceWarning: unclosed resource",) for one in exploration.failures)


def test_a_coroutine_that_is_never_awaited_is_found():
    async def other():
        pass

    async def makes(account):
        made = other()
        await asyncio.sleep(1)
        await made

    (text,) = found(makes, signals=PLAIN)
    assert "was never awaited" in text


def test_an_exception_that_nobody_retrieves_is_found():
    async def child():
        try:
            await asyncio.sleep(5)
        finally:
            raise ValueError("lost")

    async def drops(account):
        task = asyncio.create_task(child())
        try:
            await asyncio.sleep(1)
        except BaseException:
            task.cancel()
            raise
        with contextlib.suppress(ValueError):
            await task

    texts = found(drops, signals=PLAIN, tasks=0)
    assert any("exception was never retrieved: ValueError: lost" in text for text in texts)


def test_an_error_in_a_finalizer_is_found():
    class Bad:
        def __del__(self):
            raise ValueError("in a finalizer")

    async def drops(account):
        try:
            await asyncio.sleep(1)
        except PLAIN:
            Bad()
            raise

    (text,) = found(drops, signals=PLAIN)
    assert text.startswith("an error that nobody could catch: ValueError: in a finalizer")


def test_an_operation_that_does_not_end_after_the_signal_is_found_with_the_place():
    async def waits_on(account):
        try:
            await asyncio.sleep(1)
        except PLAIN:
            await asyncio.get_running_loop().create_future()

    (text,) = found(waits_on, signals=PLAIN)
    assert text.startswith("did not end: nothing is ready, and no timer is set, and it waits at ")
    assert "test_found.py" in text


def test_an_operation_that_spins_after_the_signal_is_found():
    async def spins(account):
        try:
            await asyncio.sleep(1)
        except PLAIN:
            while True:
                await asyncio.sleep(0)

    (text,) = found(spins, signals=PLAIN)
    assert "did not end: after 10,000 turns of the loop" in text


def test_a_state_that_cannot_be_used_again_is_found():
    async def uses(account):
        assert account.money, "somebody took it"
        money, account.money = account.money, None
        await asyncio.sleep(1)
        account.money = money

    (text,) = found(uses, signals=PLAIN)
    assert text.startswith("not usable again: it raised AssertionError: somebody took it")
    assert found(uses, signals=PLAIN, reuse=False) == []


def test_an_operation_that_works_only_once_by_itself_is_not_tried_again():
    async def once(account):
        assert account.money
        await asyncio.sleep(1)
        account.money = None

    exploration = explore(once, setup=account, signals=PLAIN)
    exploration.assert_passed()
    assert any("works only once on the same state" in note for note in exploration.notes)


def test_what_a_check_says_is_found_with_its_traceback():
    async def transfer(account):
        account.money[0] -= 10
        await asyncio.sleep(1)
        account.money[1] += 10

    async def check(account):
        assert sum(account.money) == 100, f"{sum(account.money)} left"

    exploration = explore(transfer, setup=account, check=check, signals=(Terminate, Kill))
    assert [one.found for one in exploration.failures] == [("check: 90 left",)] * 2
    assert "in check" in exploration.failures[0].detail
    with pytest.raises(AssertionError, match="check: 90 left"):
        exploration.assert_passed()


def test_a_bug_of_a_spawned_task_is_found_there():
    async def child(account):
        account.money[0] -= 10
        await asyncio.sleep(1)
        account.money[1] += 10

    async def spawns(account):
        await asyncio.gather(asyncio.sleep(0), child(account), return_exceptions=True)

    def check(account):
        assert sum(account.money) == 100

    tokens = [one.token for one in explore(spawns, setup=account, check=check, signals=PLAIN).failures]
    assert tokens == ["cancel.t0.p1", "cancel.t2.p1"]
    assert [one.token for one in explore(spawns, setup=account, check=check, signals=PLAIN, tasks=2).failures] == [
        "cancel.t2.p1"
    ]


def test_with_pairs_a_cleanup_that_a_second_signal_tears_is_found_and_the_shortest_pair_is_shown():
    async def cleans(account):
        try:
            await asyncio.sleep(1)
            await asyncio.sleep(1)
        finally:
            await account.lock.acquire()
            await asyncio.sleep(1)
            account.lock.release()

    assert found(cleans, signals=Interrupt) != []  # the plain run's own `finally` is suspended, too

    async def cleans_after_an_error(account):
        try:
            await asyncio.sleep(1)
            await asyncio.sleep(1)
        except PLAIN:
            await account.lock.acquire()
            await asyncio.sleep(1)
            account.lock.release()
            raise

    assert found(cleans_after_an_error, signals=(Interrupt, Terminate)) == []
    exploration = explore(cleans_after_an_error, setup=account, signals=(Interrupt, Terminate), pairs=True)
    assert [one.token for one in exploration.failures] == ["interrupt.t0.p1+terminate@1"]
    assert exploration.failures[0].second == "Terminate"
    assert "test_found.py" in exploration.failures[0].second_where


def test_with_pairs_the_cleanups_of_spawned_tasks_are_tried_too():
    async def child(account):
        try:
            await asyncio.sleep(5)
        except PLAIN:
            await account.lock.acquire()
            await asyncio.sleep(1)
            account.lock.release()
            raise

    async def group(account):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child(account))
            await asyncio.sleep(1)

    tokens = [one.token for one in explore(group, setup=account, signals=Terminate, pairs=True).failures]
    assert "terminate.t0.p1+cancel@t1.1" in tokens


async def test_a_signal_that_a_task_has_ended_without_a_fate_for_is_found():
    from sigtask._core.delivery import Fate
    from sigtask._core.factory import create_task
    from sigtask.testing._explore.scene import without_a_fate

    task = create_task(asyncio.sleep(1))
    await asyncio.sleep(0)
    task.terminate("enough")
    assert without_a_fate(task) == []  # it has not ended
    await asyncio.wait([task])
    assert without_a_fate(task) == []
    (delivery,) = task.history
    lost = type("Lost", (), {"signal": delivery.signal, "fate": Fate.IN_FLIGHT})()

    class Ended(type(task)):
        history = (lost,)

        def done(self):
            return True

    stuck = Ended(asyncio.sleep(0), loop=asyncio.get_running_loop())
    assert without_a_fate(stuck) == [f"{delivery.signal!r} has no fate"]
    await stuck
