"""sigtask's own coroutines and blocks, explored: signals, and pairs of them, at every await of an honest use."""

import asyncio
import contextlib
import importlib.util
import os
import time

import pytest

from sigtask import (
    Drain,
    Interrupt,
    Kill,
    ProcessPool,
    Terminate,
    accept,
    catch,
    create_task,
    extend,
    mask,
    on_signal,
    open_process,
    run_process,
    stop,
    time_left,
    to_process,
    to_thread,
    until,
    wait_requested,
)
from sigtask.testing import explore, turns

PLAIN = asyncio.CancelledError
ALL = (Drain, Interrupt, Terminate, Kill, PLAIN)
POSIX = pytest.mark.skipif(os.name != "posix", reason="no such processes there")


class Place:
    """What the operations work on."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.lock = asyncio.Lock()
        self.free = asyncio.Semaphore(2)
        self.money = [100, 0]
        self.queue.put_nowait("an item")


async def place():
    return Place()


def balanced(place):
    assert sum(place.money) == 100, f"{sum(place.money)} left"


# -- blocks -----------------------------------------------------------------------------------------------------------


def test_what_a_mask_protects_is_whole_whatever_comes_but_a_kill():
    async def transfer(place):
        async with asyncio.timeout(60), place.lock:
            with mask(Terminate, plain=True):
                place.money[0] -= 10
                await asyncio.sleep(1)
                await asyncio.sleep(1)
                place.money[1] += 10
            await asyncio.sleep(1)

    signals = (Drain, Interrupt, Terminate, PLAIN)
    explore(transfer, setup=place, check=balanced, signals=signals, pairs=True, late=True).assert_passed()
    torn = explore(transfer, setup=place, check=balanced, signals=Kill)
    assert [one.token for one in torn.failures] == ["kill.t0.p1", "kill.t0.p2"]


@pytest.mark.parametrize("block", [catch, accept], ids=["catch", "accept"])
def test_a_block_that_lets_a_drain_in_cleans_up(block):
    async def serves(place):
        with block(Drain):
            async with place.lock, place.free:
                await asyncio.sleep(1)
                await asyncio.sleep(1)
        await asyncio.sleep(1)

    explore(serves, setup=place, signals=ALL, pairs=True, late=True).assert_passed()


def test_a_callback_that_takes_a_signal_leaves_nothing():
    async def works(place):
        with on_signal(Interrupt, lambda signal: None), on_signal(Drain, lambda signal: None):
            async with place.lock:
                await asyncio.sleep(1)
                await asyncio.sleep(1)

    explore(works, setup=place, signals=ALL, pairs=True, late=True).assert_passed()


def test_groups_under_signals_lose_nothing_and_leave_nobody():
    async def child(place, seconds):
        async with place.free:
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.sleep(1)

    async def group(place):
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(child(place, 1))
            tasks.create_task(child(place, 2))
            await asyncio.sleep(1)

    explore(group, setup=place, signals=ALL, pairs=True, late=True).assert_passed()


# -- asking, waiting, stopping ----------------------------------------------------------------------------------------


def test_until_loses_no_item_and_leaves_no_task():
    async def takes(place):
        await until(Drain, asyncio.sleep(1))
        item = await until(Drain, place.queue.get())
        if not isinstance(item, Drain):
            place.queue.put_nowait(item)
        async with place.free:
            await until(Terminate, asyncio.sleep(1))

    def check(place):
        assert place.queue.qsize() == 1

    explore(takes, setup=place, check=check, signals=ALL, pairs=True, late=True).assert_passed()


def test_wait_requested_leaves_no_waiter():
    async def asks(place):
        task = create_task(wait_requested(Drain))
        try:
            await asyncio.sleep(1)
            task.drain()
            await task
        finally:
            task.kill()

    exploration = explore(asks, setup=place, signals=ALL, pairs=True, late=True)
    exploration.assert_passed()
    assert {one.task for one in exploration.points} == {0, 1}


def test_stop_leaves_its_targets_where_they_are_and_nothing_of_its_own():
    async def polite(place):
        async with place.lock:
            try:
                await asyncio.sleep(3600)
            finally:
                extend(1)
                await asyncio.sleep(min(1, time_left() or 1))

    async def stops(place):
        task = create_task(polite(place))
        try:
            await turns(2)
            await stop(task, reason="enough")
        finally:
            task.kill()

    explore(stops, setup=place, signals=ALL, pairs=True, late=True).assert_passed()


# -- threads, processes -----------------------------------------------------------------------------------------------


def rests(seconds):
    time.sleep(seconds)
    return seconds


def test_to_thread_gives_its_place_back_and_leaves_no_task():
    async def calls(place):
        assert await to_thread(rests, 0.001, limiter=place.free) == 0.001

    async def all_back(place):
        """A thread that a Kill has left behind keeps its place until its function has ended."""
        async with asyncio.timeout(10):
            await place.free.acquire()
            await place.free.acquire()
        place.free.release()
        place.free.release()

    signals = (Drain, Interrupt, Terminate, PLAIN)
    explore(calls, setup=place, signals=signals, pairs=True, late=True, real_time=True).assert_passed()
    killed = explore(calls, setup=place, check=all_back, signals=Kill, real_time=True)
    assert [one.found for one in killed.failures] in ([], [("state, a Semaphore",)]) or all(
        "state.free, a Semaphore, has 1 free places" in one.found[0] and len(one.found) == 1 for one in killed.failures
    )


@POSIX
@pytest.mark.os
def test_run_process_leaves_no_process_and_no_task():
    async def runs(place):
        assert (await run_process(["sh", "-c", "sleep 0.02; echo hi"])).stdout == b"hi\n"

    explore(runs, setup=place, signals=ALL, pairs=True, late=True, real_time=True).assert_passed()


@POSIX
@pytest.mark.os
def test_open_process_leaves_no_process_and_no_task():
    async def talks(place):
        async with open_process(["cat"]) as program:
            await program.stdin.write(b"a line\n")
            program.stdin.close()
            assert [line async for line in program.stdout] == [b"a line\n"]
            assert (await program.wait()).returncode == 0

    explore(talks, setup=place, signals=ALL, pairs=True, late=True, real_time=True).assert_passed()


@POSIX
@pytest.mark.os
def test_to_process_and_a_pool_leave_nothing():
    async def calls(pool):
        assert await pool.run(rests, 0.001) == 0.001

    @contextlib.asynccontextmanager
    async def pool():
        async with ProcessPool(1) as made:
            yield made

    async def calls_by_itself(place):
        assert await to_process(rests, 0.001) == 0.001

    explore(calls, setup=pool, signals=(Terminate, Kill, PLAIN), pairs=True, real_time=True).assert_passed()
    explore(calls_by_itself, setup=place, signals=(Interrupt, PLAIN), pairs=True, real_time=True).assert_passed()


@POSIX
@pytest.mark.os
def test_stopping_jobs_on_a_cluster_leaves_nothing():
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("Dask is not installed")
    from distributed import Client, LocalCluster

    import sigtask.dask

    @contextlib.asynccontextmanager
    async def cluster():
        options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
        async with LocalCluster(asynchronous=True, **options) as made, Client(made, asynchronous=True) as client:
            await sigtask.dask.install(client)
            yield client

    async def stops(client):
        job = sigtask.dask.submit(client, rests, 0.01, key="a job")
        await sigtask.dask.stop(job)

    # The scheduler is in this loop, too, with its periodic callbacks. It sees a stop through, as it is to when who
    # asked for it is gone (R25).
    own = {"ignore": ("SchedulerSide", "InProc", "PeriodicCallback"), "tasks": 0, "real_time": True, "reuse": False}
    exploration = explore(stops, setup=cluster, signals=(Terminate, PLAIN), pairs=True, late=True, **own)
    exploration.assert_passed()
    assert exploration.runs > 4
