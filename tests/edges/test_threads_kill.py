"""to_thread(): the Kill, the limiter, the report, and what is left of the threads."""

import asyncio
import contextlib
import functools
import gc
import operator
import socket
import threading
import time
import weakref

import pytest

from sigtask import Drain, Fate, Kill, Ladder, Terminate, mask, requested, stop, to_thread
from sigtask.threads import _workers


class Blocking:
    """A function in a C call, which no signal can break into: it ends when the test says so."""

    def __init__(self):
        self._lock = threading.Lock()
        self._lock.acquire()
        self._begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._read, self._write = socket.socketpair()
        self._loop.add_reader(self._read, self._has_begun)
        self.ended = asyncio.Event()
        self.thread = None

    def __call__(self):
        self.thread = threading.current_thread()
        try:
            # All of it is C: between the word that it has begun and the lock there is no bytecode for a signal to hit.
            list(map(operator.call, (functools.partial(self._write.send, b"begun"), self._lock.acquire)))
        finally:
            self._write.close()
            self._loop.call_soon_threadsafe(self.ended.set)

    def _has_begun(self):
        self._loop.remove_reader(self._read)
        self._read.close()
        self._begun.set()

    async def begun(self):
        await self._begun.wait()

    def release(self):
        self._lock.release()


async def blocked(*args, **kwargs):
    blocking = Blocking()
    task = asyncio.create_task(to_thread(blocking, *args, **kwargs), name="blocked")
    await blocking.begun()
    return task, blocking


# -- the Kill ---------------------------------------------------------------------------------------------------------


async def test_r18_a_killed_task_ends_at_once_though_its_function_is_in_a_c_call():
    task, blocking = await blocked()
    task.kill("enough")
    for _ in range(2):
        await asyncio.sleep(0)
    assert task.done()
    assert task.ended_by.reason == "enough"
    blocking.release()
    await blocking.ended.wait()


async def test_a_kill_is_raised_in_the_function_once_through_any_mask():
    seen = asyncio.get_running_loop().create_future()
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def work():
        try:
            with mask(Terminate):
                loop.call_soon_threadsafe(begun.set)
                while True:
                    time.monotonic()
        except Kill as kill:
            loop.call_soon_threadsafe(seen.set_result, kill.reason)

    task = asyncio.create_task(to_thread(work))
    await begun.wait()
    task.kill("for good")
    assert await seen == "for good"
    assert isinstance(task.ended_by, Kill)


async def test_the_report_names_the_thread_that_a_kill_has_left_behind_and_its_stack():
    def outer():
        blocking()

    blocking = Blocking()
    task = asyncio.create_task(to_thread(outer), name="worker")
    await blocking.begun()
    report = await stop(task, ladder=Ladder((Kill, 1)))
    (thread,) = report.threads
    assert thread.name == blocking.thread.name
    assert "test_threads_kill.py" in thread.where
    assert "Blocking.__call__, called at" in thread.where
    assert thread.where.endswith("outer")
    (row,) = report.tasks
    assert row.ended == "ended by Kill"
    assert f"thread {thread.name} was left behind in a C call at" in row.note
    assert f"thread {thread.name} (daemon) at" in str(report)
    assert report.to_dict()["threads"][0]["name"] == thread.name
    blocking.release()
    await blocking.ended.wait()


def test_the_report_says_that_a_thread_is_still_in_a_c_call_and_where(on_loop):
    async def main():
        task, blocking = await blocked()
        letting_go = asyncio.create_task(let_go(task, blocking))
        report = await stop(task, ladder=Ladder((Terminate, 0.1), (Terminate20, 3600)))
        await letting_go
        return report, blocking.thread.name

    async def let_go(task, blocking):
        while len(task.history) < 2:  # the second rung has come
            await asyncio.sleep(0)
        blocking.release()

    class Terminate20(Terminate):
        level = 35

    report, name = on_loop(main)
    (row,) = report.tasks
    assert row.ended == "ended by Terminate20"
    assert f"thread {name} still in a C call at" in row.note
    assert "test_threads_kill.py" in row.note
    assert "Blocking.__call__" in row.note
    assert f"thread {name} at" in row.stood["terminate"]
    assert report.threads == ()


async def test_the_report_says_when_a_mask_in_the_function_holds_the_signal():
    loop, begun, over = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def work():
        with mask(Terminate):
            loop.call_soon_threadsafe(begun.set)
            over.wait()

    task = asyncio.create_task(to_thread(work))
    await begun.wait()
    report = await stop(task, ladder=Ladder((Terminate, 1), (Kill, 1)))
    assert "where a mask holds Terminate" in report.tasks[0].note or "left behind" in report.tasks[0].note
    assert report.tasks[0].rung == "kill"
    over.set()


async def test_a_task_cut_loose_by_a_kill_leaves_no_complaint_when_its_function_fails_later():
    loop, begun, over, ended = asyncio.get_running_loop(), asyncio.Event(), threading.Lock(), asyncio.Event()
    over.acquire()

    def work():
        try:
            loop.call_soon_threadsafe(begun.set)
            with contextlib.suppress(Kill):
                over.acquire()
            raise ValueError("nobody waits for this")
        finally:
            loop.call_soon_threadsafe(ended.set)

    task = asyncio.create_task(to_thread(work))
    await begun.wait()
    task.kill()
    await asyncio.wait([task])
    over.release()
    await ended.wait()
    gc.collect()  # the exception handler of the test's loop would be told of an error never retrieved


# -- the limiter ------------------------------------------------------------------------------------------------------


async def test_a_limiter_bounds_the_number_of_threads():
    limiter, running, most = asyncio.Semaphore(2), [], []

    def work():
        running.append(1)
        most.append(len(running))
        running.pop()

    await asyncio.gather(*(to_thread(work, limiter=limiter) for _ in range(20)))
    assert len(most) == 20
    assert max(most) <= 2


async def test_a_place_is_held_until_the_thread_has_really_ended():
    limiter = asyncio.Semaphore(1)
    task, blocking = await blocked(limiter=limiter)
    task.kill()
    await asyncio.wait([task])
    assert limiter.locked()
    blocking.release()
    assert await to_thread(lambda: "next", limiter=limiter) == "next"
    assert not limiter.locked()


async def test_a_task_that_waits_for_a_place_can_be_signalled_and_its_function_is_not_called():
    limiter, called = asyncio.Semaphore(1), []
    task, blocking = await blocked(limiter=limiter)
    waiting = asyncio.create_task(to_thread(called.append, 1, limiter=limiter))
    await asyncio.sleep(0)
    waiting.terminate("no more")
    await asyncio.wait([waiting])
    assert waiting.ended_by.reason == "no more"
    blocking.release()
    await task
    assert await to_thread(lambda: "next", limiter=limiter) == "next"
    assert called == []


async def test_a_place_is_given_back_when_no_thread_can_be_started(monkeypatch):
    def refuse(job):
        raise RuntimeError("can't start new thread")

    limiter = asyncio.Semaphore(1)
    monkeypatch.setattr(_workers.workers, "give", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        await to_thread(int, limiter=limiter)
    assert not limiter.locked()


# -- threads ----------------------------------------------------------------------------------------------------------


async def test_threads_are_used_again():
    _workers.workers.dismiss()
    first = await to_thread(threading.get_ident)
    assert {await to_thread(threading.get_ident) for _ in range(50)} == {first}


async def test_a_job_never_waits_behind_one_that_blocks():
    tasks = [await blocked() for _ in range(5)]
    assert await to_thread(lambda: "at once") == "at once"
    for _, blocking in tasks:
        blocking.release()
    await asyncio.gather(*(task for task, _ in tasks))


async def test_threads_with_nothing_to_do_end_when_they_are_dismissed():
    await asyncio.gather(*(to_thread(int) for _ in range(10)))
    _workers.workers.dismiss()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("to_thread")] == []
    assert await to_thread(lambda: "a new one") == "a new one"


async def test_a_thread_with_nothing_to_do_ends_by_itself(monkeypatch):
    monkeypatch.setattr(_workers, "IDLE", 0.01)
    workers = _workers.Workers()
    done = threading.Event()
    seen = []

    def job():
        seen.append(threading.current_thread())
        workers.rest()
        done.set()

    workers.give(job)
    done.wait()
    seen[0].join()
    assert workers.spare == 0


async def test_the_task_is_freed_without_the_collector_when_its_function_was_signalled():
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def work():
        loop.call_soon_threadsafe(begun.set)
        while not requested(Drain):
            pass

    gc.disable()
    try:
        task = asyncio.create_task(to_thread(work))
        await begun.wait()
        task.drain()
        await task
        assert [one.fate for one in task.history] == [Fate.PENDING]
        ref = weakref.ref(task)
        del task
        await to_thread(int)
        assert ref() is None
    finally:
        gc.enable()


# -- programs ---------------------------------------------------------------------------------------------------------

LEFT_BEHIND = """
import asyncio, threading, sigtask
from sigtask import Kill, Ladder, Terminate

never = threading.Lock()
never.acquire()

def deaf():
    begun = False
    while True:
        try:
            if not begun:  # in here, as a signal may come with the word
                begun = print("begun", flush=True) is None
            never.acquire()
        except BaseException:
            pass

async def main():
    await sigtask.to_thread(deaf)

sigtask.run(main(), ladder=Ladder((Terminate, 0.3), (Kill, 5)))  # it takes a moment, and more on a busy machine
"""

IN_INPUT = """
import sys, sigtask
from sigtask import Ladder

def read():
    print("begun", flush=True)
    sys.stdin.buffer.read()

words = (input, "begun\\n") if sys.argv[1:] else (read,)
sigtask.run(sigtask.to_thread(*words), ladder=Ladder.parse("terminate=300ms,kill=5s"))
"""

IDLE_AT_THE_END = """
import asyncio, threading, sigtask

async def main():
    await asyncio.gather(*(sigtask.to_thread(int) for _ in range(10)))

sigtask.run(main())
print([thread.name for thread in threading.enumerate()])
"""


@pytest.mark.os
def test_a_thread_left_behind_does_not_keep_the_process_and_the_log_names_it(program):
    process = program(LEFT_BEHIND)
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "was left behind in a C call at" in errors
    assert "in deaf" in errors
    assert "the watchdog ended it" not in errors


@pytest.mark.os
@pytest.mark.parametrize("words", [("input",), ()], ids=["input", "read"])
def test_a_thread_left_behind_in_a_read_of_stdin_does_not_make_the_interpreter_abort(program, words):
    process = program(IN_INPUT, *words)
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    process.wait(30)  # its input stays open, and says nothing
    errors = process.communicate()[1]
    assert process.returncode == 143, errors
    assert f"was left behind in {'input(), a C function' if words else 'a C call at'}" in errors


@pytest.mark.os
def test_run_leaves_no_thread_behind(program):
    out, errors = program(IDLE_AT_THE_END).communicate(timeout=30)
    assert (out, errors) == ("['MainThread']\n", "")
