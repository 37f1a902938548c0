"""`explore(late=True)`: a signal that comes when what is awaited is done, and the task is about to wake up."""

import asyncio

import pytest

from sigtask import Interrupt, Terminate
from sigtask.testing import explore

PLAIN = asyncio.CancelledError


class Pool:
    """One connection, which is handed to the next in line."""

    def __init__(self):
        self.free, self.line = ["a connection"], []

    async def acquire(self):
        if self.free:
            return self.free.pop()
        turn = asyncio.get_running_loop().create_future()
        self.line.append(turn)
        return await turn

    def release(self, connection):
        while self.line:
            turn = self.line.pop(0)
            if not turn.done():
                turn.set_result(connection)
                return
        self.free.append(connection)


async def pool():
    return Pool()


async def two_use(pool):
    async def uses(seconds):
        connection = await pool.acquire()
        try:
            await asyncio.sleep(seconds)
        finally:
            pool.release(connection)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(uses(1))
        tasks.create_task(uses(2))


def nothing_is_lost(pool):
    assert pool.free == ["a connection"], "the connection is lost"


def test_what_a_task_was_given_as_it_was_stopped_is_lost_and_that_is_found_when_asked_for():
    options = {"setup": pool, "check": nothing_is_lost, "signals": (Terminate, PLAIN)}
    explore(two_use, **options).assert_passed()
    exploration = explore(two_use, late=True, **options)
    assert [one.token for one in exploration.failures] == ["terminate.t2.p1.late", "cancel.t2.p1.late"]
    assert all(one.found[0] == "check: the connection is lost" and one.late for one in exploration.failures)
    assert "in Pool.acquire, as the wait ended" in str(exploration)
    assert exploration.repeat("cancel.t2.p1.late").failures[0].found == exploration.failures[1].found


def test_asyncios_own_lock_loses_nothing():
    class State:
        def __init__(self):
            self.lock, self.places = asyncio.Lock(), asyncio.Semaphore(1)

    async def state():
        return State()

    async def uses(state):
        async with state.lock, state.places:
            await asyncio.sleep(1)

    async def two(state):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(uses(state))
            tasks.create_task(uses(state))

    exploration = explore(two, setup=state, late=True, pairs=True)
    exploration.assert_passed()
    assert exploration.runs > 32


def test_a_turn_of_the_loop_has_no_end_to_be_late_for():
    async def turns():
        await asyncio.sleep(0)
        await asyncio.sleep(1)

    assert explore(turns, signals=Terminate, late=True).runs == 3


@pytest.mark.parametrize("signal", [Terminate, PLAIN])
def test_the_wait_has_ended_and_the_task_has_not_gone_on(signal):
    seen = []

    async def waits():
        done = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(1, done.set_result, "a gift")
        try:
            await done
        except PLAIN:
            seen.append((done.done(), done.cancelled()))
            raise
        finally:
            timer.cancel()

    explore(waits, signals=signal, late=True, reuse=False).assert_passed()
    assert seen == [(True, True), (True, False)]


def test_the_page_has_it_in_the_row_of_its_await(tmp_path):
    exploration = explore(two_use, setup=pool, check=nothing_is_lost, signals=(Interrupt, Terminate), late=True)
    assert exploration.to_html().count(">late</a>") == 2
