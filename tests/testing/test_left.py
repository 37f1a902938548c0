"""What an operation leaves in the loop besides tasks: timers, connections, watched files, functions in threads."""

import asyncio
import functools
import signal
import socket
import threading
import time
from contextlib import asynccontextmanager

import pytest

from sigtask import Terminate
from sigtask.testing import explore, explore_async

PLAIN = asyncio.CancelledError


def found(operation, **options):
    """What is found, as one text for each failure."""
    return [" | ".join(one.found) for one in explore(operation, **{"signals": PLAIN, **options}).failures]


# -- timers -----------------------------------------------------------------------------------------------------------


def test_a_timer_that_is_still_to_fire_is_found_with_its_callback_and_when():
    async def sets():
        woken = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(60, woken.set)
        await asyncio.sleep(1)
        timer.cancel()

    assert found(sets) == ["a timer is left: Event.set(), due in 60 s"]


def test_a_timer_that_a_callback_sets_again_and_again_is_found():
    async def beats():
        loop = asyncio.get_running_loop()
        timer = None

        def beat():
            nonlocal timer
            timer = loop.call_later(10, functools.partial(beat))

        beat()
        await asyncio.sleep(25)
        await asyncio.sleep(1)
        timer.cancel()

    assert found(beats) == [f"a timer is left: beat(), due in {seconds} s" for seconds in (10, 5)]


def test_a_timer_does_not_fire_in_a_later_run():
    fired = []

    async def sets():
        timer = asyncio.get_running_loop().call_later(5, fired.append, "a timer")
        await asyncio.sleep(3)
        timer.cancel()

    assert len(found(sets, signals=(Terminate, PLAIN))) == 2
    assert fired == []


def test_timers_of_sleeps_and_timeouts_and_of_what_setup_has_started_are_none_of_its_own():
    async def ticks():
        while True:
            await asyncio.sleep(0.3)

    @asynccontextmanager
    async def server():
        loop, task = asyncio.get_running_loop(), asyncio.create_task(ticks())
        timer = loop.call_later(1000, print)
        yield task
        timer.cancel()
        task.cancel()

    async def waits(server):
        async with asyncio.timeout(60):
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.5))], timeout=20)
            await asyncio.wait_for(asyncio.sleep(0.5), 20)

    assert found(waits, setup=server, tasks=0, reuse=False)[1:] == []


def test_a_timer_that_a_plain_run_leaves_too_is_noted_and_not_counted():
    async def keeps_alive():
        asyncio.get_running_loop().call_later(60, print)
        await asyncio.sleep(1)

    exploration = explore(keeps_alive, signals=PLAIN)
    exploration.assert_passed()
    assert any("a timer is left: print()" in note for note in exploration.notes)


# -- connections, files -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def echo():
    async def handle(reader, writer):
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()


def test_a_connection_that_is_still_open_is_found_with_its_address():
    kept = []

    async def connects(address):
        reader, writer = await asyncio.open_connection(*address)
        kept.append(writer)  # so that nobody else finds it
        await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()

    exploration = explore(connects, setup=echo, signals=PLAIN, real_time=True, tasks=0)
    (failure,) = [one for one in exploration.failures if one.source == "await asyncio.sleep(0.01)"]
    assert any(one.startswith("a connection to 127.0.0.1:") and one.endswith(" is still open") for one in failure.found)


def test_a_file_that_the_loop_still_watches_is_found():
    async def watches():
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        here, there = socket.socketpair()
        with here, there:
            loop.add_reader(here, ready.set)
            there.send(b"x")
            await ready.wait()
            loop.remove_reader(here)

    assert found(watches, reuse=False) == ["the loop still watches a file that is closed"]


# -- threads ----------------------------------------------------------------------------------------------------------


def test_a_function_that_goes_on_in_its_thread_is_noted_as_asyncio_cannot_stop_it():
    may_end = threading.Event()

    def reads():
        may_end.wait(0.02)

    async def calls():
        await asyncio.to_thread(reads)

    exploration = explore(calls, signals=PLAIN, real_time=True)
    exploration.assert_passed()
    assert any(note.startswith("reads() goes on in its thread") for note in exploration.notes)


def test_a_signal_comes_when_the_thread_has_begun():
    begun, may_end = [], threading.Event()

    def reads():
        begun.append(1)
        may_end.wait(0.02)

    async def calls():
        await asyncio.to_thread(reads)

    exploration = explore(calls, signals=PLAIN, real_time=True, reuse=False)
    assert len(begun) == 2 + exploration.runs == 3


# -- what runs share --------------------------------------------------------------------------------------------------


class Shop:
    def __init__(self, prices):
        self.prices = prices


def test_what_runs_share_and_change_is_named_with_the_way_to_it():
    prices = {}

    async def shop():
        return Shop(prices)

    async def sells(shop):
        shop.prices[len(shop.prices)] = 1
        await asyncio.sleep(1)

    (note,) = explore(sells, setup=shop, signals=PLAIN).notes
    assert "what the one before has left in state.prices, a dict" in note


def test_what_runs_share_and_leave_alone_is_not_mentioned():
    prices = {"tea": 1}

    async def shop():
        return Shop(prices)

    async def looks(shop):
        await asyncio.sleep(shop.prices["tea"])

    assert explore(looks, setup=shop, signals=PLAIN).notes == ()


@pytest.mark.parametrize("how", ["method", "partial", "object"])
def test_a_lock_of_a_method_a_partial_or_an_object_that_is_called_is_found(how):
    class Door:
        def __init__(self):
            self.lock = asyncio.Lock()

        async def __call__(self):
            if self.lock.locked():
                self.lock.release()
            await self.lock.acquire()
            await asyncio.sleep(1)
            self.lock.release()

    door = Door()
    operation = {"method": door.__call__, "partial": functools.partial(door.__call__), "object": door}[how]
    (text,) = found(operation)
    assert text.endswith("lock, a Lock, is still held")


async def test_in_a_running_loop_timers_are_not_looked_at_and_nothing_breaks():
    async def sets():
        timer = asyncio.get_running_loop().call_later(60, print)
        await asyncio.sleep(0)
        timer.cancel()

    exploration = await explore_async(sets, signals=Terminate)
    assert exploration.runs == 1


# -- what is to be ignored --------------------------------------------------------------------------------------------


async def sets_a_timer():
    timer = asyncio.get_running_loop().call_later(60, print)
    await asyncio.sleep(1)
    timer.cancel()


def test_what_is_to_be_ignored_is_noted_and_not_counted():
    exploration = explore(sets_a_timer, signals=PLAIN, ignore="a timer is left")
    exploration.assert_passed()
    assert exploration.notes == ("ignored, as asked: a timer is left: print(), due in 60 s",)
    assert found(sets_a_timer, ignore=["a task", "a lock"]) == ["a timer is left: print(), due in 60 s"]


@pytest.mark.parametrize("ignore", ["", [""], [5]])
def test_what_would_ignore_everything_or_is_no_text_is_refused(ignore):
    with pytest.raises(TypeError, match="each a part of what is found"):
        explore(sets_a_timer, ignore=ignore)


# -- what is not what it seems ----------------------------------------------------------------------------------------


class Proxy:
    """Raises whatever it is asked, as one of a web framework outside of a request does."""

    def __init__(self, lock):
        object.__setattr__(self, "lock", lock)

    def __getattribute__(self, name):
        raise RuntimeError(f"no request: {name}")

    def __repr__(self):
        raise RuntimeError("no request")


def test_locks_behind_proxies_and_keys_that_cannot_be_shown_are_found():
    lock = asyncio.Lock()

    async def state():
        return {Proxy(None): Proxy(lock)}

    async def holds(state):
        if lock.locked():
            lock.release()
        await lock.acquire()
        await asyncio.sleep(1)
        lock.release()

    (text,) = found(holds, setup=state)
    assert "a Lock, is still held" in text


def test_a_huge_state_takes_no_long_look():
    async def state():
        return [[object() for _ in range(100)] for _ in range(2000)]

    async def uses(state):
        await asyncio.sleep(1)

    began = time.process_time()
    explore(uses, setup=state).assert_passed()
    assert time.process_time() - began < 5


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signals there")
def test_a_handler_of_an_os_signal_that_is_left_is_found_and_gone_in_the_next_run():
    async def handles():
        loop = asyncio.get_running_loop()
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        loop.add_signal_handler(signal.SIGUSR1, print)
        await asyncio.sleep(1)
        loop.remove_signal_handler(signal.SIGUSR1)

    assert found(handles, reuse=False, signals=(Terminate, PLAIN)) == ["the loop still handles SIGUSR1"] * 2
