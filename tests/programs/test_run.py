"""R29, R30: `sigtask.run`, in this process where no OS signal is involved, else in one of its own (`os`)."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib.util
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

import sigtask
from sigtask import Drain, Interrupt, Kill, Ladder, Rung, Terminate, run
from sigtask._run.observer import LogObserver
from sigtask._run.supervisor import Supervisor

QUICK = Ladder((Drain, 0.1), (Terminate, 0.1), (Kill, 1))
only_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


async def gives(value):
    return value


async def forever():
    await asyncio.sleep(100_000)  # a bare future would not keep its task alive


def watchdogs():
    return [thread for thread in threading.enumerate() if thread.name == "sigtask-watchdog"]


# -- R29: as asyncio.run ----------------------------------------------------------------------------------------------


def test_r29_run_gives_what_main_returns():
    assert run(gives(42)) == 42


def test_r29_run_raises_what_main_raises():
    async def main():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(main())


def test_r29_a_main_that_was_cancelled_raises_cancelled_error_as_asyncio_run_does():
    async def main():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_r29_a_main_that_exits_exits():
    async def main():
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        run(main())
    assert caught.value.code == 3


def test_r29_main_and_what_it_spawns_are_sigtask_tasks():
    async def main():
        child = asyncio.create_task(gives(1))
        await child
        return type(asyncio.current_task()).__name__, isinstance(child, sigtask.Task)

    assert run(main()) == ("Task", True)


@pytest.mark.parametrize("debug", [True, False])
def test_r29_debug_is_passed_on(debug):
    async def main():
        return asyncio.get_running_loop().get_debug()

    assert run(main(), debug=debug) is debug


def test_r29_loop_factory_makes_the_loop():
    made = []

    def factory():
        made.append(asyncio.new_event_loop())
        return made[0]

    async def main():
        return asyncio.get_running_loop() is made[0]

    assert run(main(), loop_factory=factory)
    assert made[0].is_closed()


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs uvloop")
def test_r29_it_runs_on_uvloop():
    import uvloop

    async def main():
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    assert run(main(), loop_factory=uvloop.new_event_loop) == "uvloop"


def test_r29_the_loop_is_closed_and_none_is_running_after():
    loops = []

    async def main():
        loops.append(asyncio.get_running_loop())

    run(main())
    assert loops[0].is_closed()
    assert asyncio._get_running_loop() is None


def test_r29_async_generators_are_shut_down():
    ended = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    kept = []

    async def main():
        kept.append(numbers())
        await anext(kept[0])

    run(main())
    assert ended == [True]


def test_r29_the_default_executor_is_shut_down():
    async def main():
        await asyncio.to_thread(int)

    run(main())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]


def test_r29_main_sees_the_callers_context_and_does_not_change_it():
    var = contextvars.ContextVar("var")
    var.set("outside")

    async def main():
        before = var.get()
        var.set("inside")
        return before

    assert (run(main()), var.get()) == ("outside", "outside")


def test_r29_run_can_be_called_again_and_again():
    assert [run(gives(n)) for n in range(3)] == [0, 1, 2]


# -- R29: what main leaves behind -------------------------------------------------------------------------------------


def test_r29_a_task_that_main_leaves_behind_gets_a_terminate():
    ended = []

    async def worker():
        try:
            await forever()
        except asyncio.CancelledError as error:
            ended.append((type(error), error.reason))
            raise

    async def main():
        asyncio.create_task(worker())
        await asyncio.sleep(0)

    run(main())
    assert ended == [(Terminate, "main() has ended")]


def test_r29_a_task_left_behind_has_the_grace_to_clean_up():
    ended = []

    async def worker():
        try:
            await forever()
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    async def main():
        asyncio.create_task(worker())
        await asyncio.sleep(0)

    run(main())
    assert ended == [True]


def test_r29_a_deaf_task_left_behind_is_killed():
    swallowed, tasks = [], []

    async def deaf():
        while True:
            try:
                await forever()
            except Kill:
                raise
            except asyncio.CancelledError as error:
                swallowed.append(type(error))

    async def main():
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(0)
        return "result"

    assert run(main(), ladder=QUICK) == "result"
    assert (swallowed, type(tasks[0].ended_by)) == ([Terminate], Kill)


def test_r29_a_task_that_a_task_left_behind_spawns_is_stopped_too():
    tasks = []

    async def worker():
        try:
            await forever()
        finally:
            tasks.append(asyncio.create_task(forever()))

    async def main():
        asyncio.create_task(worker())
        await asyncio.sleep(0)

    run(main(), ladder=QUICK)
    assert tasks[0].cancelled()


@pytest.mark.parametrize("ladder", [Ladder((Drain, 0.1)), Ladder((Interrupt, 0.1)), Ladder(Kill)])
def test_r29_what_is_left_behind_is_stopped_whatever_the_ladder(ladder):
    tasks = []

    async def main():
        tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    run(main(), ladder=ladder)
    assert tasks[0].cancelled()


def test_r29_an_error_of_a_task_left_behind_is_not_lost():
    told = []

    async def worker():
        try:
            await forever()
        finally:
            raise ValueError("mine")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        asyncio.create_task(worker())
        await asyncio.sleep(0)

    run(main())
    gc.collect()
    assert told == ["ValueError('mine')"]


def test_r29_an_unreachable_stock_task_does_not_hang_run():
    reports = []
    release = []

    async def deaf():
        while not release:
            try:
                await forever()
            except asyncio.CancelledError:
                pass

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        release_later.append(asyncio.Task(deaf(), loop=loop, name="s"))
        await asyncio.sleep(0)
        return "result"

    release_later = []
    ladder = Ladder((Terminate, 0.05), (Kill, 0.05))
    assert run(main(), ladder=ladder, observer=Keeps(reports)) == "result"
    assert [row.name for row in reports[0].survivors] == ["s"]
    release.append(True)
    with pytest.raises(StopIteration):
        release_later[0].get_coro().throw(asyncio.CancelledError)
    release_later.clear()
    gc.collect()


class Keeps:
    """An observer that keeps the reports."""

    def __init__(self, reports):
        self.reports = reports

    def rung(self, rung, supervisor):
        pass

    def tick(self, supervisor):
        pass

    def over(self, report):
        self.reports.append(report)

    def forced(self, report, told):
        self.reports.append(report)


# -- bad input --------------------------------------------------------------------------------------------------------


def closed_without_a_warning(call, coro):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
        assert coro.cr_frame is None, "the coroutine was not closed"
        del coro
        gc.collect()
    assert [str(w.message) for w in caught if "never awaited" in str(w.message)] == []


def test_r29_inside_a_running_loop_is_a_runtime_error_and_the_coroutine_is_closed():
    coro = gives(1)

    async def outer():
        with pytest.raises(RuntimeError, match=r"in a running loop; there, use `await stop\(...\)`"):
            run(coro)

    closed_without_a_warning(lambda: asyncio.run(outer()), coro)


@pytest.mark.parametrize("what", [None, 42, "main", gives, object()], ids=str)
def test_r29_what_is_no_coroutine_is_a_value_error(what):
    with pytest.raises(ValueError, match=r"run\(\) takes a coroutine, got"):
        run(what)


def test_r29_an_uncalled_coroutine_function_is_told_to_be_called():
    with pytest.raises(ValueError, match=r"call it, as in run\(main\(\)\)"):
        run(gives)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"ladder": "kill"}, TypeError, "give a sigtask.Ladder"),
        ({"signals": {signal.SIGTERM: 5}}, TypeError, "takes a signal class"),
        ({"signals": {9999: Drain}}, ValueError, "9999"),
        pytest.param(
            {"signals": {signal.SIGTERM: Drain, getattr(signal, "SIGKILL", 9): Drain}},
            ValueError,
            "SIGKILL cannot be handled",
            marks=only_posix,
        ),
    ],
)
def test_r29_a_wrong_ladder_or_signal_is_an_error_and_nothing_is_half_done(options, error, match):
    before = signal.getsignal(signal.SIGTERM)
    coro = gives(1)

    def call():
        with pytest.raises(error, match=match):
            run(coro, **options)

    closed_without_a_warning(call, coro)
    assert (signal.getsignal(signal.SIGTERM), watchdogs()) == (before, [])


# -- what is left after -----------------------------------------------------------------------------------------------


def test_r30_the_watchdog_thread_is_gone_after_a_run_without_signals():
    async def main():
        return len(watchdogs())

    assert (run(main()), watchdogs()) == (1, [])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_r29_handlers_are_there_during_the_run_and_restored_after(signum):
    async def main():
        return signal.getsignal(signum)

    before = signal.getsignal(signum)
    assert run(main()) is not before
    assert signal.getsignal(signum) is before


def test_r29_handlers_are_restored_after_an_error():
    async def main():
        raise ValueError

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError):
        run(main())
    assert signal.getsignal(signal.SIGTERM) is before


def test_r29_without_signals_none_is_touched():
    async def main():
        return signal.getsignal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    assert run(main(), signals={}) is before


def test_r29_in_another_thread_run_works_without_signals():
    async def main():
        return signal.getsignal(signal.SIGTERM)

    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(run(main())))
    thread.start()
    thread.join()
    assert outcome == [signal.getsignal(signal.SIGTERM)]


def test_r30_a_run_without_signals_leaves_faulthandlers_timer_alone():
    code = """
        import faulthandler, sigtask, time

        async def main(): ...

        faulthandler.dump_traceback_later(0.3, exit=True)
        sigtask.run(main())
        time.sleep(30)
    """
    assert (
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=20).returncode == 1
    )


# -- observers --------------------------------------------------------------------------------------------------------


def test_r29_a_supervisor_made_by_hand_logs_a_line_a_rung(caplog):
    caplog.set_level(logging.INFO, "sigtask")
    with asyncio.Runner() as runner:
        sigtask.install(runner.get_loop())
        tasks = [runner.get_loop().create_task(swallows(), name="s")]
        supervisor = Supervisor(Ladder((Interrupt, 0.01), (Terminate, 0.01), Kill), {}, LogObserver())
        supervisor.signum = signal.SIGTERM
        runner.get_loop().run_until_complete(asyncio.wait(tasks, timeout=0))
        with supervisor.running(runner.get_loop(), None):
            stopping = supervisor.stop_everything(runner.get_loop(), 0)
            runner.get_loop().run_until_complete(stopping.done)
    assert [record.getMessage() for record in caplog.records] == [
        "SIGTERM: interrupt, 0.01 s for 1 task",
        "SIGTERM: terminate, 0.01 s for 1 task",
        "SIGTERM: kill, 1 s for 1 task",
    ]


async def swallows():
    while True:
        try:
            await forever()
        except Kill:
            raise
        except asyncio.CancelledError:
            pass


def test_r29_the_log_has_the_report_as_a_warning_when_anyone_resisted(caplog):
    async def main():
        asyncio.create_task(swallows(), name="stubborn")
        await asyncio.sleep(0)

    caplog.set_level(logging.INFO, "sigtask")
    run(main(), ladder=QUICK)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "stubborn (swallows): ended by Kill" in record.getMessage()


def test_r28_who_leaves_a_group_by_the_exit_of_a_child_has_swallowed_nothing(caplog):
    async def exits():
        sys.exit(4)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(exits())
            group.create_task(forever())

    caplog.set_level(logging.INFO, "sigtask")
    with pytest.raises(SystemExit):
        run(main(), ladder=QUICK)
    gc.collect()  # asyncio says, as ever, that nobody has asked for the error of main's task
    assert [record for record in caplog.records if record.name == "sigtask" and record.levelno > logging.INFO] == []


def test_r29_a_quiet_end_logs_nothing(caplog):
    async def main():
        asyncio.create_task(forever())
        await asyncio.sleep(0)

    caplog.set_level(logging.DEBUG, "sigtask")
    run(main())
    assert caplog.records == []


def test_r29_an_observer_that_fails_does_not_keep_a_rung_from_being_sent():
    class Fails(Keeps):
        def rung(self, rung, supervisor):
            raise ValueError("mine")

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        sigtask.install(loop)
        task = loop.create_task(forever())
        supervisor = Supervisor(QUICK, {}, Fails([]))
        supervisor.signum = signal.SIGTERM
        with supervisor.running(loop, None):
            with pytest.raises(ValueError, match="mine"):
                supervisor.stop_everything(loop, 1)
            loop.run_until_complete(asyncio.wait([task]))
    assert type(task.ended_by) is Terminate


def test_r24_a_rung_is_public():
    assert isinstance(QUICK.rungs[0], Rung)


# -- OS signals, in a process -----------------------------------------------------------------------------------------

PREAMBLE = """
import asyncio, atexit, logging, os, signal, sys, threading, time
import sigtask
from sigtask import Drain, Interrupt, Kill, Ladder, Terminate, extend, mask, run, time_left  # R26: none hears a Drain
logging.basicConfig(level=logging.INFO, format="log %(message)s")

def say(*words):
    print(*words, flush=True)

async def forever():
    await asyncio.sleep(100_000)  # a bare future would not keep its task alive

async def stubborn():
    say("ready")
    while True:
        try:
            await forever()
        except Kill:
            say("Kill")
            raise
        except asyncio.CancelledError as error:
            say(type(error).__name__, error.reason)

FACTORY = None
"""
UVLOOP = "import uvloop\nFACTORY = uvloop.new_event_loop\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def program(request, start, tmp_path):
    """`program(source)` starts it, waits until it says that it is ready, and gives the process."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")

    def program(source, ready="ready"):
        path = tmp_path / "program.py"
        path.write_text(PREAMBLE + (UVLOOP if request.param == "uvloop" else "") + textwrap.dedent(source))
        return start(path).wait_for(ready)

    return program


os_test = [pytest.mark.os, only_posix]


class TestOsSignals:
    pytestmark = os_test

    @pytest.mark.parametrize(
        ("signum", "status"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
    )
    def test_r29_the_first_signal_starts_the_ladder_and_a_main_that_obeys_ends_by_it(self, program, signum, status):
        process = program("""
            async def main():
                say("ready")
                try:
                    await forever()
                except Terminate as error:
                    say("Terminate", error.reason)
                    raise
            run(main(), loop_factory=FACTORY)
        """)
        process.signal(signum)
        assert process.wait() == status
        assert f"Terminate {signum.name}" in process.stdout
        assert ("KeyboardInterrupt" in process.stderr) == (signum == signal.SIGINT)

    def test_r29_a_main_that_drained_gives_its_result(self, program):
        process = program("""
            from sigtask import wait_requested

            async def main():
                waiting = asyncio.create_task(wait_requested(Drain))
                say("ready")
                await wait_requested(Drain)
                waiting.kill()
                return "drained"
            say(run(main(), loop_factory=FACTORY))
        """)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert "drained" in process.stdout

    def test_r29_each_further_signal_moves_to_the_next_rung_at_once(self, program):
        process = program("""
            run(stubborn(), ladder=Ladder((Interrupt, 60), (Terminate, 60), Kill), loop_factory=FACTORY)
        """)
        process.signal(signal.SIGTERM)
        process.wait_for("Interrupt SIGTERM")
        time.sleep(0.6)  # the promise is about half a second of real time
        process.signal(signal.SIGTERM)
        process.wait_for("Terminate SIGTERM")
        time.sleep(0.6)
        process.signal(signal.SIGINT)
        process.wait_for("Kill")
        assert process.wait() == 128 + signal.SIGTERM

    def test_r29_two_signals_within_half_a_second_count_as_one(self, program):
        process = program("""
            async def main():
                asyncio.create_task(stubborn())
                await asyncio.sleep(0)
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGINT)
                with mask(Terminate):
                    await asyncio.sleep(0.1)
                    say("rungs", [d.signal.level for d in asyncio.current_task().history])
                await forever()
            run(main(), ladder=Ladder((Interrupt, 1), (Terminate, 1), Kill), loop_factory=FACTORY)
        """)
        process.wait()
        assert "rungs [20]" in process.stdout

    def test_r29_who_repeats_a_signal_faster_than_that_gets_on_too(self, program):
        process = program("""
            async def main():
                asyncio.get_running_loop().call_soon(press, 0)
                await stubborn()

            def press(n):
                os.kill(os.getpid(), signal.SIGINT)
                asyncio.get_running_loop().call_later(0.3, press, n + 1)

            run(main(), ladder=Ladder((Interrupt, 60), (Terminate, 60), Kill), loop_factory=FACTORY)
        """)
        assert process.wait(20) == -signal.SIGINT

    def test_r29_signals_says_where_each_signal_starts(self, program):
        process = program("""
            run(stubborn(), ladder=Ladder((Drain, 60), (Interrupt, 60), (Terminate, 0.1), Kill),
                signals={signal.SIGUSR1: Terminate}, loop_factory=FACTORY)
        """)
        process.signal(signal.SIGUSR1)
        assert process.wait() == 128 + signal.SIGUSR1
        assert [line.split()[0] for line in process.stdout.splitlines()] == ["ready", "Terminate", "Kill"]

    def test_r29_a_signal_that_is_not_ours_is_left_to_asyncio(self, program):
        process = program("""
            async def main():
                say("ready")
                await forever()
            try:
                run(main(), signals={signal.SIGTERM: Drain}, loop_factory=FACTORY)
            except KeyboardInterrupt:
                say("KeyboardInterrupt")
        """)
        process.signal(signal.SIGINT)
        assert process.wait() == 0
        assert "KeyboardInterrupt" in process.stdout

    def test_r29_every_task_of_the_loop_is_told(self, program):
        process = program("""
            async def worker(n):
                try:
                    await forever()
                except asyncio.CancelledError as error:
                    say(n, type(error).__name__, error.reason)
                    raise

            async def main():
                workers = [asyncio.create_task(worker(n)) for n in range(3)]
                await asyncio.sleep(0)
                say("ready")
                await forever()

            run(main(), loop_factory=FACTORY)
        """)
        process.signal(signal.SIGTERM)
        process.wait()
        assert sorted(process.stdout.splitlines()[1:]) == [f"{n} Terminate SIGTERM" for n in range(3)]

    def test_r29_a_main_that_ends_first_does_not_cut_the_others_grace_short(self, program):
        process = program("""
            async def worker():
                try:
                    await forever()
                finally:
                    await asyncio.sleep(0.3)
                    say("cleaned up")

            async def main():
                asyncio.create_task(worker())
                await asyncio.sleep(0)
                say("ready")
                await forever()

            run(main(), ladder=Ladder((Terminate, 30), Kill), loop_factory=FACTORY)
        """)
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        assert "cleaned up" in process.stdout

    def test_r29_the_log_has_a_line_a_rung_and_the_report(self, program):
        process = program("""
            run(stubborn(), ladder=Ladder((Drain, 9), (Interrupt, 0.1), (Terminate, 0.1), Kill), loop_factory=FACTORY)
        """)
        process.signal(signal.SIGTERM)
        process.wait()
        lines = [line for line in process.stderr.splitlines() if line.startswith("log ")]
        assert [line for line in lines if "SIGTERM: " in line] == [
            "log SIGTERM: interrupt, 0.1 s for 1 task",
            "log SIGTERM: terminate, 0.1 s for 1 task",
            "log SIGTERM: kill, 1 s for 1 task",
        ]
        assert "log stopped 1 task in" in process.stderr
        assert "swallowed Interrupt at program.py:" in process.stderr

    def test_r27_under_run_a_task_reads_its_time_left_and_extends_it(self, program):
        process = program("""
            async def main():
                say("ready")
                try:
                    await forever()
                finally:
                    say(2.5 < time_left() <= 3, extend(10), extend(10), 7.5 < time_left() <= 8)
            run(main(), ladder=Ladder((Terminate, 3), Kill, limit=5), loop_factory=FACTORY)
        """)
        process.signal(signal.SIGTERM)
        process.wait()
        assert "True 5.0 0.0 True" in process.stdout


BLOCKERS = {
    "a callback that blocks the loop": """
        async def main():
            say("ready")
            time.sleep(600)
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a busy loop": """
        async def main():
            say("ready")
            while True:
                pass
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "C code that does not look for signals": """
        async def main():
            import sqlite3
            with sqlite3.connect(":memory:") as database:
                say("ready")
                database.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT 1 FROM n) SELECT max(i) FROM n")
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a sleep that the signal did not end": """
        async def main():
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the system gives it to that thread
            say("ready")
            time.sleep(600)
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a cleanup that blocks the loop": """
        async def main():
            say("ready")
            try:
                await forever()
            finally:
                time.sleep(600)
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a thread that is no daemon": """
        async def main():
            threading.Thread(target=time.sleep, args=(600,), name="stays").start()
            say("ready")
            await forever()
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a stuck executor": """
        async def main():
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
            say("ready")
            await forever()
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a function in a thread, and the loop": """
        async def main():
            asyncio.create_task(sigtask.to_thread(time.sleep, 600))
            await asyncio.sleep(0)
            say("ready")
            time.sleep(600)
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a stubborn atexit": """
        async def main():
            atexit.register(time.sleep, 600)
            say("ready")
            await forever()
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "a loop blocked again and again": """
        async def main():
            say("ready")
            while True:
                time.sleep(0.9)
                try:
                    await asyncio.sleep(0)
                except Kill:
                    time.sleep(600)
                except asyncio.CancelledError:
                    pass
        run(main(), ladder=LADDER, loop_factory=FACTORY)
    """,
    "an observer that fails": """
        class Fails(sigtask._run.observer.LogObserver):
            def tick(self, supervisor):
                raise ValueError("mine")
        async def main():
            say("ready")
            time.sleep(600)
        run(main(), ladder=LADDER, loop_factory=FACTORY, observer=Fails())
    """,
}


@pytest.mark.os
@only_posix
@pytest.mark.parametrize("blocker", BLOCKERS)
def test_r30_the_process_is_gone_when_the_ladders_time_is_over_whatever_blocks_it(program, blocker):
    """R20 as well: code that holds the thread is for the watchdog to end."""
    process = program("LADDER = Ladder((Terminate, 0.7), (Kill, 0.5))\n" + textwrap.dedent(BLOCKERS[blocker]))
    at = process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    # until it is overdue, the ladder, its margin, the flush, and what a busy machine adds; faulthandler's own timer
    # would have come 3 s after the ladder
    assert time.monotonic() - at < 1.2 + 2.9
    assert "the watchdog ended it" in process.stderr
    assert "most recent call first" in process.stderr


@only_posix
def test_r29_nobody_has_the_interpreters_bytes_when_run_has_ended():
    async def main():
        fd = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        return fd

    assert run(main()) != -1
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.os
@only_posix
def test_r29_a_signal_that_another_thread_got_wakes_a_loop_that_sleeps(program):
    process = program("""
        async def main():
            threading.Thread(target=threading.Event().wait, daemon=True).start()  # the system gives it to that one
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            say("ready")
            await forever()
        run(main(), loop_factory=FACTORY)
    """)
    process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.os
@only_posix
def test_r30_a_signal_before_the_loop_runs_is_not_lost(program):
    process = program("""
        async def main(): ...
        def factory():
            say("ready")
            signal.raise_signal(signal.SIGTERM)
        run(main(), loop_factory=factory)
    """)
    assert process.wait() == 128 + signal.SIGTERM
