"""Worker processes of a hosted program: our tasks, and a ladder of their own, once they run a loop (R29)."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from sigtask import Ladder, Report
from sigtask._run.settings import Settings
from sigtask._run.workers import view_of_worker, with_a_house

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="workers are reached where there is fork and exec"),
]

METHODS = ["fork", "spawn", "forkserver"]
LADDER = ("--ladder", "drain=300ms,terminate=1s,kill=1s")
PROGRAM = """
import asyncio, multiprocessing, os, signal, sys, time

def say(*words):
    print(" ".join(map(str, words)) + "\\n", end="", flush=True)

def no_loop():
    say("handler", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.signal.__module__)
    say("ready", os.getpid())
    time.sleep(600)

def polite():
    async def main():
        task = asyncio.current_task()
        say("loop", type(asyncio.get_running_loop()).__module__)
        say("task", type(task).__module__)
        try:
            say("ready", os.getpid())
            await asyncio.sleep(600)
        finally:
            say("cleaned up")
    asyncio.run(main())

def deaf():
    async def main():
        say("ready", os.getpid())
        while True:
            try:
                await asyncio.sleep(600)
            except BaseException as error:
                say("swallowed", type(error).__name__)
    asyncio.run(main())

def blocked():
    async def main():
        say("ready", os.getpid())
        time.sleep(600)
    asyncio.run(main())

def handles():
    def drain(*_):
        say("its own handler")
        sys.exit(7)
    signal.signal(signal.SIGTERM, drain)
    async def main():
        say("ready", os.getpid())
        await asyncio.sleep(600)
    asyncio.run(main())

def returns():
    asyncio.run(asyncio.sleep(0))
    say("ready", os.getpid())
    sys.exit(5)

if __name__ == "__main__":
    worker = multiprocessing.get_context(sys.argv[1]).Process(target=globals()[sys.argv[2]])
    worker.start()
    worker.join()
    say("exit code", worker.exitcode)
"""


@pytest.fixture
def play(sigtask_run, write, tmp_path):
    """`play(method, function)` has it run in a worker that is terminated once it is ready; gives the program."""

    def play(method, function, *options, terminate=True):
        path = write("pool.py", PROGRAM)
        program = sigtask_run(*LADDER, *options, "--report", "report.json", path, method, function)
        program.wait_for("ready")
        if terminate:
            os.kill(int(pid_of(program)), signal.SIGTERM)  # as Process.terminate() does
        assert program.wait() == 0, program.stderr
        return program

    return play


def pid_of(program):
    return re.search(r"ready (\d+)", program.stdout)[1]


def report_of(program, folder):
    pid = pid_of(program)
    return json.loads((folder / f"report.{pid}.json").read_text()), pid


@pytest.mark.parametrize("method", METHODS)
class TestEachWay:
    def test_r29_a_worker_has_our_tasks_and_a_ladder_once_it_runs_a_loop(self, play, method, tmp_path):
        program = play(method, "polite")
        assert "task sigtask" in program.stdout
        assert "cleaned up" in program.stdout
        assert f"exit code {-signal.SIGTERM}" in program.stdout
        report, pid = report_of(program, tmp_path)
        assert report["tasks"][0]["ended"] == "ended by Terminate"
        assert f"sigtask[{pid}]: SIGTERM: terminate" in program.stderr

    def test_r29_a_worker_that_runs_no_loop_is_as_it_would_be_without_us(self, play, method, tmp_path):
        program = play(method, "no_loop")
        assert "handler True signal" in program.stdout
        assert f"exit code {-signal.SIGTERM}" in program.stdout
        assert program.stderr == ""
        assert list(tmp_path.glob("report.*.json")) == []

    def test_r29_a_worker_that_swallows_everything_ends_in_its_ladders_time(self, play, method, tmp_path):
        program = play(method, "deaf")
        assert "swallowed Kill" in program.stdout
        assert f"exit code {-signal.SIGTERM}" in program.stdout
        assert report_of(program, tmp_path)[0]["tasks"][0]["abandoned"]

    def test_r30_a_worker_that_blocks_its_loop_is_ended_by_its_own_watchdog(self, play, method):
        program = play(method, "blocked")
        assert f"exit code {128 + signal.SIGTERM}" in program.stdout
        assert "the watchdog ended it" in program.stderr
        assert "in blocked" in program.stderr

    def test_r29_a_handler_of_the_workers_own_is_its_drain(self, play, method):
        program = play(method, "handles")
        assert program.stdout.count("its own handler") == 1
        assert "exit code 7" in program.stdout

    def test_r29_a_worker_that_nobody_signals_ends_with_its_own_status(self, play, method):
        program = play(method, "returns", terminate=False)
        assert "exit code 5" in program.stdout
        assert program.stderr == ""


def test_r29_a_workers_loop_is_the_one_that_was_asked_for(play):
    pytest.importorskip("uvloop")
    assert "loop uvloop" in play("spawn", "polite", "--loop", "uvloop").stdout


def test_r29_a_worker_can_start_workers_of_its_own(sigtask_run, write):
    path = write(
        "nested.py",
        """
        import asyncio, multiprocessing

        def inner():
            async def main():
                print("task", type(asyncio.current_task()).__module__, flush=True)
            asyncio.run(main())

        def outer():
            process = multiprocessing.get_context("spawn").Process(target=inner)
            process.start()
            process.join()

        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=outer)
            process.start()
            process.join()
    """,
    )
    program = sigtask_run(path)
    assert program.wait() == 0
    assert program.stdout == "task sigtask\n"


def test_r29_what_a_worker_is_started_with_is_said_in_its_own_words(play, tmp_path):
    """Quiet means quiet in a worker, too; and its ladder is a little shorter than its parent's."""
    program = play("spawn", "deaf", "--quiet")
    assert program.stderr == ""
    ladder = Ladder.parse(report_of(program, tmp_path)[0]["ladder"])
    assert ladder.total == pytest.approx(2.3 * 0.9)


def test_only_what_multiprocessing_starts_for_the_program_is_given_a_house():
    settings = Settings()
    tracker = ["python", "-c", "from multiprocessing.resource_tracker import main;main(5)"]
    assert with_a_house(tracker, settings) == tracker
    assert with_a_house(["python", "worker.py"], settings) == ["python", "worker.py"]
    before = ["python", "-B", "-c", "from multiprocessing.spawn import spawn_main; spawn_main(3)", "--fork"]
    after = with_a_house(before, settings)
    assert (after[:3], after[4:]) == (before[:3], before[4:])
    assert after[3].endswith(before[3])


def test_r29_where_the_workers_interpreter_has_no_sigtask_it_is_as_without_us():
    script = with_a_house(["-c", "from multiprocessing.spawn import spawn_main; told()"], Settings())[1]
    told = []
    names = {"told": lambda: told.append(1), "__builtins__": {"__import__": _no_sigtask, "ImportError": ImportError}}
    exec(script, names)
    assert told == [1]


def _no_sigtask(name, *args):
    if name.startswith("sigtask"):
        raise ImportError(name)
    return __import__(name, *args)


@pytest.mark.parametrize("ending", [".html", ".txt", ".json", ".trace.json"])
def test_the_report_of_a_worker_has_its_pid_in_the_name_and_is_of_the_same_kind(tmp_path, ending):
    view = view_of_worker(Settings(report_file=tmp_path / f"stop.1{ending}"))
    view.over(Report("kill=1s", None, 0.0, (), ()))
    assert [path.name for path in tmp_path.iterdir()] == [f"stop.1.{os.getpid()}{ending}"]
