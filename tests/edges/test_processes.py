"""DESIGN, section 6: `to_process`, plain functions in worker processes under the signals of the task that waits."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

import sigtask
from sigtask import (
    Drain,
    Fate,
    Interrupt,
    Kill,
    Ladder,
    ProcessPool,
    RemoteError,
    Terminate,
    WorkerDied,
    mask,
    requested,
    stop,
    to_process,
)
from sigtask.processes import _workers

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(sys.platform == "win32", reason="OS signals"),
    pytest.mark.usefixtures("no_child_left"),
]
SRC = os.path.dirname(os.path.dirname(sigtask.__file__))


async def started(fifo, fn, *args, **options):
    """The task of a function that has said that it is there."""
    task = asyncio.create_task(to_process(fn, fifo.path, *args, **options))
    await fifo.lines()
    return task


async def ended(task):
    await asyncio.wait([task])
    return task


# -- results and errors -----------------------------------------------------------------------------------------------


def test_it_gives_what_the_function_returns(on_loop, jobs):
    async def main():
        return await to_process(jobs.add, 1, 2), await to_process(functools.partial(jobs.add, 1, b=3))

    assert on_loop(main) == (3, 4)


def test_the_function_runs_in_the_main_thread_of_another_process(on_loop, jobs):
    async def main():
        return await to_process(jobs.in_main_thread), await to_process(jobs.pid)

    in_main, pid = on_loop(main)
    assert in_main
    assert pid != os.getpid()


def test_it_raises_what_the_function_raises_with_the_traceback_there(on_loop, jobs):
    async def main():
        with pytest.raises(KeyError, match="mine") as caught:
            await to_process(jobs.fail, "mine")
        return str(caught.value.__cause__)

    told = on_loop(main)
    assert "process_jobs.py" in told
    assert "in fail" in told
    assert "_worker.py" not in told


def test_an_exception_that_does_not_pickle_is_told(on_loop, jobs):
    async def main():
        with pytest.raises(RemoteError, match="fail_stubbornly raised Stubborn: stubborn") as caught:
            await to_process(jobs.fail_stubbornly)
        return str(caught.value.__cause__)

    assert "in fail_stubbornly" in on_loop(main)


def test_a_result_that_does_not_pickle_is_refused(on_loop, jobs):
    async def main():
        with pytest.raises(TypeError, match="what the function returned does not pickle.*lock"):
            await to_process(jobs.give_a_lock)
        return await to_process(jobs.add, 1)

    assert on_loop(main) == 1


def test_megabytes_go_there_and_back(on_loop, jobs):
    data = os.urandom(4_000_000)

    async def main():
        return await asyncio.gather(*(to_process(jobs.echo, data) for _ in range(2)))

    assert on_loop(main) == [data, data]


# -- bad input --------------------------------------------------------------------------------------------------------


async def a_coroutine_function():
    """As `to_process` must not take."""


@pytest.mark.parametrize(
    ("fn", "args", "says"),
    [
        (lambda: 1, (), "the function does not.*not as a lambda"),
        (a_coroutine_function, (), "is async"),
        (functools.partial(a_coroutine_function), (), "is async"),
        (3, (), "takes a function to call, got 3"),
        (len, (threading.Lock(),), "argument 1 does not.*open files, locks and connections in the function"),
    ],
)
def test_what_does_not_travel_is_refused_before_anything_is_started(fn, args, says):
    with pytest.raises(TypeError, match=says):
        asyncio.run(to_process(fn, *args))


def test_a_function_that_the_worker_cannot_import_is_a_clear_error(on_loop, jobs, monkeypatch):
    module = types.ModuleType("only_here")
    exec("def f(): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)

    async def main():
        with pytest.raises(TypeError, match="could not unpickle.*only_here.*can import"):
            await to_process(module.f)
        return await to_process(jobs.add, 1)

    assert on_loop(main) == 1


def test_a_wrong_grace_or_number_of_workers_is_refused(on_loop, jobs):
    with pytest.raises(ValueError, match="grace"):
        asyncio.run(to_process(jobs.pid, grace=-1))
    with pytest.raises(ValueError, match="grace is '5'"):
        asyncio.run(to_process(jobs.pid, grace="5"))
    for number in 0, "2":
        with pytest.raises(ValueError, match=f"max_workers={number!r}"):
            ProcessPool(number)


def test_where_no_file_can_be_opened_the_error_says_what_could_not_be_started(on_loop, jobs, monkeypatch):
    pairs = iter([socket.socketpair()])
    opened = []

    def socketpair():
        for pair in pairs:
            opened.extend(pair)
            return pair
        raise OSError(errno.EMFILE, "Too many open files")

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr(_workers.socket, "socketpair", socketpair)
            with pytest.raises(OSError, match="no worker process could be started: Too many open files"):
                await to_process(jobs.pid)
        return await to_process(jobs.add, 1)

    assert on_loop(main) == 1
    assert [one.fileno() for one in opened] == [-1, -1]


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["spin", "block", "block_in_read", "checks"])
@pytest.mark.parametrize("cls", [Interrupt, Terminate])
def test_a_signal_is_raised_in_the_function_and_thrown_at_the_task(on_loop, jobs, fifo, job, cls):
    async def main():
        task = await ended_by(await started(fifo, getattr(jobs, job)))
        return task.ended_by

    async def ended_by(task):
        task.send_signal(cls("why"))
        return await ended(task)

    signal_ = on_loop(main)
    assert (type(signal_), signal_.reason) == (cls, "why")
    assert f"in {job}" in "".join(signal_.__notes__)


@pytest.mark.parametrize("cls", [Interrupt, Terminate])
def test_r8_a_function_that_takes_the_signal_and_returns_has_consumed_it(on_loop, jobs, fifo, cls):
    async def main():
        task = await started(fifo, jobs.catch_any)
        task.send_signal(cls("disk full"))
        return await task, task.history, task.cancelling()

    result, history, count = on_loop(main)
    assert result == (cls.__name__, "disk full", ("disk full",))
    assert [one.fate for one in history] == [Fate.CONSUMED]
    assert count == 0


def test_catch_works_inside(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.catch_block)
        task.interrupt("why")
        return await task

    assert on_loop(main) == "why"


def test_a_plain_cancel_is_a_cancelled_error_in_the_function_and_only_once(on_loop, jobs, fifo):
    """anyio repeats it on every turn of the loop: in plain code that would tear the cleanup at any bytecode."""

    async def main():
        task = await started(fifo, jobs.catch_any)
        for _ in range(10):
            task.cancel("msg")
            await asyncio.sleep(0)
        return await task

    assert on_loop(main) == ("CancelledError", None, ("msg",))


def test_an_error_of_the_cleanup_is_raised_at_the_task(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.fail_in_cleanup)
        task.terminate()
        with pytest.raises(ValueError, match="the cleanup failed"):
            await task

    on_loop(main)


def test_a_stronger_signal_is_raised_in_the_cleanup_too(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.swallow)
        task.interrupt()
        await fifo.lines(2)
        task.terminate()
        return await task, [one.fate for one in task.history]

    result, fates = on_loop(main)
    assert result is None
    assert fates == [Fate.SUPERSEDED, Fate.CONSUMED]


def test_a_drain_is_held_and_the_function_may_ask_for_it(on_loop, jobs, fifo):
    async def main():
        async def work():
            result = await to_process(jobs.drain, fifo.path)
            return result, requested(Drain).reason

        task = asyncio.create_task(work())
        await fifo.lines()
        task.drain("later")
        return await task, [one.fate for one in task.history]

    assert on_loop(main) == (("later", "later"), [Fate.PENDING])


def test_a_drain_that_is_held_already_is_there_when_the_function_starts(on_loop, jobs, fifo):
    async def main():
        async def work():
            while requested(Drain) is None:
                await asyncio.sleep(0)
            return await to_process(jobs.drain, fifo.path)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.drain("earlier")
        return await task

    assert on_loop(main) == "earlier"


def test_r26_a_function_that_asks_for_a_drain_is_listened_for(on_loop, jobs, fifo):
    async def main():
        asks = await started(fifo, jobs.drain)
        return await stop(asks, ladder=Ladder((Drain, 20), Kill), reason="we close"), await asks

    report, result = on_loop(main)
    assert (report.tasks[0].ended, report.tasks[0].rung, result) == ("returned", "drain", "we close")


def test_r26_a_function_in_a_program_that_cannot_hear_a_drain_is_not_made_to_wait_for_it(
    on_loop, jobs, fifo, monkeypatch
):
    monkeypatch.setattr("sigtask._stop.sending.could_be_heard", lambda: False)

    async def main():
        deaf = await started(fifo, jobs.spin)
        return await stop(deaf, ladder=Ladder((Drain, 20), (Terminate, 20), Kill))

    report = on_loop(main)
    assert report.rungs[0].skipped
    assert report.tasks[0].ended == "ended by Terminate"


def test_r13_accept_works_inside_but_the_drain_must_be_thrown_at_the_task(on_loop, jobs, fifo):
    """The task holds it: the function sees it, and is hit by it where it accepts; the task then gets it as its end."""

    async def main():
        task = await started(fifo, jobs.accept_drain)
        task.drain("why")
        return (await ended(task)).ended_by

    ended_by = on_loop(main)
    assert (type(ended_by), ended_by.reason) == (Drain, "why")


def test_r16_catch_inside_catches_a_drain_that_is_held_when_it_is_entered(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.catch_held)
        task.drain("held")
        return await task

    assert on_loop(main) == "held"


def test_r14_a_mask_inside_holds_and_raises_at_its_end(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.masked, 0.3)
        task.terminate("why")
        task = await ended(task)
        return task.ended_by, await fifo.lines(2)

    ended_by, lines = on_loop(main)
    assert (type(ended_by), ended_by.reason) == (Terminate, "why")
    assert lines[1] == "whole"


def test_r14_a_mask_within_ends_early(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.masked_within)
        task.terminate("why")
        return (await ended(task)).ended_by

    assert isinstance(on_loop(main), Terminate)


def test_r14_a_mask_of_the_task_keeps_signals_from_the_function(on_loop, jobs):
    async def main():
        async def work():
            with mask(Terminate):
                results.append(await to_process(jobs.run_short, 3_000_000))
            await asyncio.sleep(600)  # the end of a mask raises nothing: the next await does

        results = []
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.terminate("why")
        return (await ended(task)).ended_by, results

    ended_by, results = on_loop(main)
    assert isinstance(ended_by, Terminate)
    assert len(results) == 1


def test_r27_time_left_is_known_inside(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.seconds_left)
        await stop(task, ladder=Ladder((Terminate, 100), Kill))
        return await task

    assert 50 < on_loop(main) <= 100


def test_without_a_signal_there_is_nothing_to_ask_for(on_loop, jobs):
    assert on_loop(lambda: to_process(jobs.outside)) == (None, None)


def test_what_is_deferred_runs_in_any_case(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.deferred)
        task.terminate()
        await ended(task)
        return await fifo.lines(2)

    assert on_loop(main)[1] == "cleaned up"


def test_a_class_of_the_users_travels_and_one_of_main_becomes_the_nearest(on_loop, jobs, fifo):
    class Local(Terminate):
        level = 35

    async def main():
        first = await started(fifo, jobs.catch_any)
        first.send_signal(jobs.Preempted("a spot instance"))
        second = asyncio.create_task(to_process(jobs.catch_any, fifo.path))
        await fifo.lines(2)
        second.send_signal(Local("mine"))
        return await first, await second

    assert on_loop(main) == (
        ("Preempted", "a spot instance", ("a spot instance",)),
        ("Terminate", "mine", ("mine",)),
    )


def test_a_reason_that_does_not_pickle_travels_as_text(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.catch_any)
        task.terminate(threading.Lock())
        return await task

    name, reason, _ = on_loop(main)
    assert name == "Terminate"
    assert "lock" in reason


def test_r7_signalled_before_its_worker_is_up_the_task_ends_by_it(on_loop, jobs, fifo):
    async def main():
        task = asyncio.create_task(to_process(jobs.spin, fifo.path))
        await asyncio.sleep(0)
        task.terminate("early")
        return (await ended(task)).ended_by

    assert on_loop(main).reason == "early"


def test_a_stock_task_passes_its_cancel_on_as_well(on_loop, jobs, fifo):
    async def main():
        task = asyncio.Task(to_process(jobs.spin, fifo.path), loop=asyncio.get_running_loop())
        assert not isinstance(task, sigtask.Task)
        await fifo.lines()
        task.cancel()
        await ended(task)
        return task.cancelled()

    assert on_loop(main)


def test_no_signal_hits_after_the_function_has_returned(on_loop, jobs):
    """600 races, with one worker that must outlive them all: each call gives its result or its signal, nothing else."""
    rng = random.Random(7)

    async def main():
        outcomes = {"returned": 0, "interrupted": 0}
        async with ProcessPool(1) as pool:
            pid = await pool.run(jobs.pid)
            for _ in range(600):
                n = rng.randrange(200)
                task = asyncio.create_task(pool.run(jobs.run_short, n))
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                if rng.random() < 0.5:
                    await asyncio.sleep(rng.random() * 0.001)
                task.interrupt("race")
                try:
                    assert await task == sum(range(n))
                    outcomes["returned"] += 1
                except Interrupt:
                    outcomes["interrupted"] += 1
            assert await pool.run(jobs.pid) == pid
        return outcomes

    outcomes = on_loop(main)
    assert outcomes["returned"] > 10, outcomes
    assert outcomes["interrupted"] > 10, outcomes


# -- force ------------------------------------------------------------------------------------------------------------


def test_a_kill_ends_the_worker_and_only_its_own_call(on_loop, jobs, fifo, is_there):
    async def main():
        async with ProcessPool(2) as pool:
            victim = asyncio.create_task(pool.run(jobs.hold_the_gil, fifo.path))
            (pid,) = await fifo.lines()
            other = asyncio.create_task(pool.run(jobs.run_short, 300_000))
            victim.kill("enough")
            await ended(victim)
            assert await other == sum(range(300_000))
            pids = {await pool.run(jobs.pid) for _ in range(3)}
            others = await asyncio.gather(*(pool.run(jobs.add, n) for n in range(8)))
        return victim, int(pid), pids, others

    victim, pid, pids, others = on_loop(main)
    assert isinstance(victim.ended_by, Kill)
    assert pid not in pids
    assert not is_there(pid)
    assert others == list(range(8))


def test_r25_a_ladder_climbs_to_the_kill_for_code_that_holds_the_gil(on_loop, jobs, fifo, family):
    async def main():
        task = await started(fifo, jobs.hold_the_gil_with_children)
        await fifo.lines(3)
        return await stop(task, ladder=Ladder((Interrupt, 0.1), (Terminate, 0.1), Kill))

    report = on_loop(main)
    row = report.tasks[0]
    assert (row.ended, row.rung) == ("ended by Kill", "kill")
    assert all("hold_the_gil_with_children in worker process" in place for place in row.stood.values()), row.stood
    assert "got a SIGKILL" in row.note
    assert family() == []


@pytest.mark.parametrize("how", ["terminate", "interrupt", "cancel"])
def test_without_a_ladder_the_grace_ends_the_worker(on_loop, jobs, fifo, how):
    async def main():
        task = await started(fifo, jobs.hold_the_gil, grace=0.1)
        getattr(task, how)()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return "".join(caught.value.__notes__)

    assert "hold_the_gil had not ended 0.1 s later" in on_loop(main)


def test_the_grace_does_not_count_while_a_mask_holds(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.masked, 1.5, grace=1.0)
        task.terminate("why")
        await ended(task)
        return await fifo.lines(2)

    assert on_loop(main)[1] == "whole"


def test_who_takes_an_interrupt_may_go_on_for_longer_than_the_grace(on_loop, jobs, fifo, tmp_path, monkeypatch):
    if on_loop.kind == "uvloop":
        pytest.skip("its clock cannot be put forward")

    async def main():
        task = await started(fifo, jobs.go_on_until, str(tmp_path / "go"), grace=10)
        task.interrupt()
        await fifo.lines(2)
        loop = asyncio.get_running_loop()
        clock = loop.time
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda: clock() + 11)
            await asyncio.sleep(0.01)  # on that clock, for which 11 seconds are over at once
        (tmp_path / "go").touch()
        return await task

    assert on_loop(main) == "went on"


@pytest.mark.parametrize(
    ("job", "args", "status", "says"),
    [
        ("exit_at_once", (3,), 3, "ended with status 3"),
        ("crash", (), -signal.SIGSEGV, "SIGSEGV"),
        ("kill_self", (), -signal.SIGKILL, "SIGKILL.*out of memory"),
    ],
)
def test_a_worker_that_dies_by_itself_fails_its_own_call_with_its_status(on_loop, jobs, fifo, job, args, status, says):
    async def main():
        async with ProcessPool(2) as pool:
            other = asyncio.create_task(pool.run(jobs.run_short, 1_000_000))
            with pytest.raises(WorkerDied, match=says) as caught:
                await pool.run(getattr(jobs, job), *args)
            assert job in str(caught.value)
            assert await other == sum(range(1_000_000))
            assert await pool.run(jobs.add, 1) == 1
        return caught.value

    error = on_loop(main)
    assert error.status == status
    assert error.pid > 0


def test_a_worker_that_dies_takes_the_children_of_its_function_along(on_loop, jobs, fifo, family):
    async def main():
        with pytest.raises(WorkerDied):
            await to_process(jobs.leave_a_child, fifo.path)

    on_loop(main)
    assert family() == []


def test_an_os_signal_from_elsewhere_is_no_signal_of_the_task(on_loop, jobs, fifo):
    """SIGINT only wakes; SIGTERM is for the worker process, and its end."""

    async def main():
        task = await started(fifo, jobs.spin)
        (pid,) = await fifo.lines()
        os.kill(int(pid), signal.SIGINT)
        os.kill(int(pid), signal.SIGTERM)
        with pytest.raises(WorkerDied, match="SIGTERM"):
            await task

    on_loop(main)


# -- pools ------------------------------------------------------------------------------------------------------------


def test_a_pool_runs_so_many_at_a_time(on_loop, jobs):
    async def main():
        async with ProcessPool(2) as pool:
            return set(await asyncio.gather(*(pool.run(jobs.pid) for _ in range(20))))

    assert 1 <= len(on_loop(main)) <= 2


def test_one_that_waits_for_a_worker_can_be_stopped_and_takes_nobody_elses_turn(on_loop, jobs, fifo):
    async def main():
        async with ProcessPool(1) as pool:
            busy = asyncio.create_task(pool.run(jobs.spin, fifo.path))
            await fifo.lines()
            first, second = (asyncio.create_task(pool.run(jobs.add, n)) for n in (1, 2))
            await asyncio.sleep(0)
            first.terminate("why")
            await ended(first)
            busy.terminate()
            return first.ended_by, await second

    ended_by, result = on_loop(main)
    assert isinstance(ended_by, Terminate)
    assert result == 2


def test_a_closed_pool_and_one_of_another_loop_are_refused(on_loop, jobs):
    async def use(pool):
        async with pool:
            assert await pool.run(jobs.add, 1) == 1
        with pytest.raises(RuntimeError, match="is closed; make a new one"):
            await pool.run(jobs.add, 1)

    async def elsewhere():
        with pytest.raises(RuntimeError, match="belongs to another loop"):
            await pool.run(jobs.add, 1)

    pool = ProcessPool(1)
    on_loop(lambda: use(pool))
    asyncio.run(elsewhere())


def test_the_end_of_a_pool_waits_for_the_functions_at_work(on_loop, jobs, fifo):
    async def main():
        async with ProcessPool(1) as pool:
            task = asyncio.create_task(pool.run(jobs.masked, fifo.path, 0.2))
            await fifo.lines()
        await ended(task)
        return await fifo.lines(3)

    assert on_loop(main)[1:] == ["whole", "not reached"]


def test_who_waits_for_a_worker_of_a_pool_that_is_closed_is_told(on_loop, jobs, fifo):
    async def main():
        async with ProcessPool(1) as pool:
            busy = asyncio.create_task(pool.run(jobs.masked, fifo.path, 0.1))
            await fifo.lines()
            waiting = [asyncio.create_task(pool.run(jobs.pid)) for _ in range(3)]
            await asyncio.sleep(0)
        for task in waiting:
            with pytest.raises(RuntimeError, match="is closed"):
                await task
        await busy

    on_loop(main)


def test_a_pool_whose_block_is_left_by_an_error_kills_its_workers(on_loop, jobs, fifo):
    async def main():
        with pytest.raises(ValueError, match="mine"):
            async with ProcessPool(1) as pool:
                task = asyncio.create_task(pool.run(jobs.hold_the_gil, fifo.path))
                await fifo.lines()
                raise ValueError("mine")
        with pytest.raises(WorkerDied):
            await task

    on_loop(main)


def test_calls_leave_no_descriptor_open(on_loop, jobs):
    async def main():
        await to_process(jobs.pid)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(WorkerDied):
                await to_process(jobs.exit_at_once, 1)
        await to_process(jobs.pid)
        return len(os.listdir("/proc/self/fd")) - before

    assert on_loop(main) <= 0


# -- the program's own main module ------------------------------------------------------------------------------------


SCRIPT = """
import sigtask
def double(n):
    return 2 * n
async def main():
    print(await sigtask.to_process(double, 21))
"""


def test_functions_of_the_main_module_travel(program):
    process = program(SCRIPT + "if __name__ == '__main__':\n    sigtask.run(main())\n")
    out, errors = process.communicate(timeout=60)
    assert (out, process.returncode) == ("42\n", 0), errors


def test_a_main_module_without_a_guard_is_told(program, monkeypatch):
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)  # with it, 3.15 warns of what its own runpy makes
    process = program(SCRIPT + "sigtask.run(main())\n")
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "if __name__" in errors


def test_importing_sigtask_imports_nothing_of_processes():
    code = (
        "import sys, sigtask; print([m for m in sys.modules if m.startswith(('sigtask.processes', 'multiprocessing'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": SRC})
    assert done.stdout == "[]\n", done.stderr


def test_a_signal_reaches_a_busy_function_within_a_second(on_loop, jobs, fifo):
    async def main():
        task = await started(fifo, jobs.spin)
        began = time.monotonic()
        task.terminate()
        await ended(task)
        return time.monotonic() - began

    assert on_loop(main) < 5  # a machine with much to do; else some milliseconds
