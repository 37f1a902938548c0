"""A thread, a worker process and a program under one ladder: one budget, one report (R25, R27, R30)."""

import asyncio
import sys
import threading

import pytest

from sigtask import (
    Interrupt,
    Kill,
    Ladder,
    Terminate,
    defer,
    partial_result,
    run_process,
    stop,
    time_left,
    to_process,
    to_thread,
)

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(sys.platform == "win32", reason="process groups"),
    pytest.mark.usefixtures("no_child_left"),
]

IGNORES = """
import os, signal, time
for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, signal.SIG_IGN)
os.write(2, b"ready\\n")
while True: time.sleep(60)
"""
OBEYS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
os.write(2, b"ready\\n")
while True: time.sleep(60)
"""


class Deaf:
    """In a C call, which no signal breaks into: until it is let go."""

    def __init__(self):
        self.begun, self._lock = threading.Event(), threading.Lock()
        self._lock.acquire()

    def __call__(self):
        self.begun.set()
        self._lock.acquire()

    def let_go(self):
        self._lock.release()


class Obeys:
    """In Python, and cleans up: notes what was left of its ladder's rung then, and the reason."""

    def __init__(self):
        self.begun, self.left, self.cleaned_up = threading.Event(), None, False

    def __call__(self):
        defer(setattr, self, "cleaned_up", True)
        self.begun.set()
        try:
            while True:
                pass
        except Terminate:
            self.left = time_left()
            raise


async def all_three(in_thread, in_worker, in_program):
    """One task that uses all three at a time, each in a task of its own that it waits for."""
    thread = asyncio.create_task(to_thread(in_thread), name="thread")
    worker = asyncio.create_task(to_process(*in_worker), name="worker")
    program = asyncio.create_task(run_process(in_program[0], stderr=in_program[1], grace=600), name="program")
    await asyncio.gather(thread, worker, program)


async def begun(in_thread, ready, fifo):
    await fifo.lines()
    await ready.lines()
    while not in_thread.begun.is_set():
        await asyncio.sleep(0.001)  # it has no loop to tell


def test_r25_a_task_that_uses_all_three_is_stopped_by_one_ladder_and_one_report_shows_it(
    on_loop, jobs, fifo, ready, py, family
):
    in_thread = Deaf()

    async def main():
        task = asyncio.create_task(all_three(in_thread, (jobs.hold_the_gil, fifo.path), (py(IGNORES), ready.fd)))
        await begun(in_thread, ready, fifo)
        report = await stop(task, ladder=Ladder((Interrupt, 0.2), (Terminate, 0.2), (Kill, 5)), reason="deploy")
        in_thread.let_go()
        return report, task

    report, task = on_loop(main)
    assert isinstance(task.ended_by, Kill)
    rows = {row.name: row for row in report.tasks}
    for name, stood, said in [
        ("thread", "thread ", "was left behind in a C call at"),
        ("worker", "hold_the_gil in worker process", "got a SIGKILL, in hold_the_gil"),
        ("program", "program ", "got a SIGKILL"),
    ]:
        row = rows[name]
        assert (row.ended, row.rung) == ("ended by Kill", "kill")
        assert stood in row.stood["kill"]  # the signals before were sent to the task, and came to it through that one
        assert said in row.note
    assert [rung.name for rung in report.rungs] == ["interrupt", "terminate", "kill"]
    assert len(report.threads) == 1
    assert report.seconds < 0.4 + 5 < 600  # the ladder's time: the program's own grace is not added to it
    assert family() == []


def test_r27_all_three_have_what_is_left_of_the_ladder_around_theirs(on_loop, jobs, fifo, ready, py):
    in_thread = Obeys()

    async def manager(tasks):
        """In its cleanup it stops all three, with an hour for it; but it is being stopped itself."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            reports.append(await stop(*tasks, ladder=Ladder((Terminate, 3600), Kill)))

    async def main():
        thread = asyncio.create_task(to_thread(in_thread))
        worker = asyncio.create_task(to_process(jobs.seconds_left, fifo.path))
        program = asyncio.create_task(run_process(py(OBEYS), stderr=ready.fd))
        manages = asyncio.create_task(manager([thread, worker, program]))
        await begun(in_thread, ready, fifo)
        await stop(manages, ladder=Ladder((Terminate, 20), Kill))
        return worker, program

    reports = []
    worker, program = on_loop(main)
    assert [row.ended for row in reports[0].tasks] == ["ended by Terminate", "returned", "ended by Terminate"]
    assert 0 < in_thread.left <= 20
    assert 0 < worker.result() <= 20
    assert in_thread.cleaned_up
    assert partial_result(program.ended_by).returncode == 7
