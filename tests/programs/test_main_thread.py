"""R29: where no loop turns in the main thread, the main thread is told first, as plain Python tells it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT, TERM = signal.SIGINT, signal.SIGTERM
LADDER = "drain=1s,terminate=20s,kill=1s"


# -- loops in other threads -------------------------------------------------------------------------------------------

SERVANTS = """
    class Servant:
        '''A loop in a thread of its own, and a job in it.'''
        def __init__(self, name):
            self.name, self.loop, self.ready = name, asyncio.new_event_loop(), threading.Event()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
            self.future = asyncio.run_coroutine_threadsafe(self.job(), self.loop)
            self.ready.wait()

        async def job(self):
            self.ready.set()
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.05)
                say(self.name, "ended")

        async def last_words(self):
            await asyncio.sleep(0.05)
            return "last words"

        def close(self):
            say(self.name, asyncio.run_coroutine_threadsafe(self.last_words(), self.loop).result())
            self.future.cancel()
            ended = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), self.loop)
            ended.result()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()

    servants = [Servant(name) for name in sys.argv[2:]]
    first = servants[0]
    waits = {
        "result": lambda: first.future.result(),
        "join": lambda: first.thread.join(),
        "get": lambda: queue.Queue().get(),
        "wait": lambda: threading.Event().wait(),
        "sleep": lambda: time.sleep(3600),
    }
    try:
        say("ready")
        waits[sys.argv[1]]()
    except BaseException as error:
        say("out came", type(error).__name__)
        raise
    finally:
        for servant in servants:
            servant.close()
        say("closed")
"""
TOLD = ["a last words", "a ended", "closed"]


@pytest.mark.parametrize("wait", ["result", "join", "get", "wait", "sleep"])
def test_r29_a_main_thread_that_waits_is_told_first_and_its_loop_lives_on(play, wait):
    plain = play(SERVANTS, ("plain", "command"), INT, ladder=LADDER, words=(wait, "a")).the_same()
    assert (plain.status, plain.lines) == (-INT, ["ready", "out came KeyboardInterrupt", *TOLD])


@pytest.mark.parametrize("wait", ["result", "get", "sleep"])
def test_r29_it_is_told_by_a_sigterm_too(play, wait):
    outcome = play(SERVANTS, ("command",), TERM, ladder=LADDER, words=(wait, "a"))["command"]
    assert (outcome.status, outcome.lines) == (-TERM, ["ready", "out came SystemExit", *TOLD])


def test_r29_of_several_loops_all_live_on_while_the_main_thread_closes_them(play):
    plain = play(SERVANTS, ("plain", "command"), INT, ladder=LADDER, words=("sleep", "a", "b")).the_same()
    assert plain.lines[2:] == [*TOLD[:2], "b last words", "b ended", "closed"]


def test_r29_every_loop_gets_the_ladder_where_the_main_thread_does_not_stop_it(play):
    source = """
        def serve(n):
            async def main():
                begun.release()
                try:
                    await asyncio.sleep(3600)
                finally:
                    said.append(f"loop {n} told")
            asyncio.run(main())

        begun, said = threading.Semaphore(0), []
        threads = [threading.Thread(target=serve, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
            begun.acquire()
        atexit.register(lambda: say(*sorted(said)))
        try:
            say("ready")
            threading.Event().wait()
        finally:
            say("the main thread is told")
    """
    outcome = play(source, ("command",), TERM, ladder="drain=1s,terminate=2s,kill=1s")["command"]
    assert outcome.lines == ["ready", "the main thread is told", "loop 0 told loop 1 told loop 2 told"]
    assert outcome.status == -TERM


# -- a blocked loop ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", ["time.sleep(3600)", "while True: pass", "threading.Event().wait()"])
def test_r29_the_second_ctrl_c_raises_keyboard_interrupt_in_the_line_that_blocks_the_loop(play, blocks):
    source = f"""
        async def main():
            try:
                say("ready")
                {blocks}
            except BaseException as error:
                say("in the blocking line:", type(error).__name__)
                raise

        try:
            asyncio.run(main())
        finally:
            say("after")
    """
    plain = play(
        source, ("plain", "command", "own"), INT, 0.6, INT, ladder="drain=20s,terminate=20s,kill=1s"
    ).the_same()
    assert (plain.status, plain.lines) == (-INT, ["ready", "in the blocking line: KeyboardInterrupt", "after"])


# -- signals that are waited for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", ["SIGUSR1", "SIGTERM"])
def test_r29_a_thread_in_sigwait_gets_its_signal(play, signum):
    source = f"""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{signum}])

        def waits():
            say("got", signal.sigwait([signal.{signum}]).name)
            loop.call_soon_threadsafe(got.set)

        async def main():
            global loop, got
            loop, got = asyncio.get_running_loop(), asyncio.Event()
            threading.Thread(target=waits).start()
            say("ready")
            await got.wait()
            await asyncio.sleep(0.6)  # the time in which a handler would be overdue
            say("end")

        asyncio.run(main())
    """
    plain = play(source, ("plain", "command", "own"), getattr(signal, signum)).the_same()
    assert (plain.status, plain.lines) == (0, ["ready", f"got {signum}", "end"])


# -- no loop ----------------------------------------------------------------------------------------------------------

SYNC = """
    import contextlib

    @contextlib.contextmanager
    def folder():
        yield
        say("folder removed")

    def work():
        atexit.register(say, "atexit")
        try:
            with contextlib.ExitStack() as stack:
                stack.callback(say, "closed")
                say("ready")
                time.sleep(3600)
        except Exception:
            say("an error?")
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
            if sys.argv[1] == "raise":
                raise
        say("the end")

    work()
"""


@pytest.mark.parametrize(("word", "status"), [("raise", -INT), ("go on", 0)])
def test_r29_without_a_loop_a_ctrl_c_does_what_it_does_without_us(play, word, status):
    plain = play(SYNC, ("plain", "command"), INT, words=(word,)).the_same()
    assert (plain.status, plain.lines[:3]) == (status, ["ready", "closed", "KeyboardInterrupt"])


def test_r29_without_a_loop_a_sigterm_leaves_what_is_open_in_order_and_ends_the_process(play):
    outcome = play(SYNC, ("command",), TERM, words=("raise",))["command"]
    assert (outcome.status, outcome.lines) == (-TERM, ["ready", "closed", "atexit"])


NEW_PIDS = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PID_1 = {
    "no loop": "import time\nprint('ready', flush=True)\ntime.sleep(3600)",
    "asyncio.run": """
        import asyncio
        async def main():
            print("ready", flush=True)
            await asyncio.sleep(3600)
        asyncio.run(main())
    """,
    "sigtask.run": """
        import asyncio, sigtask
        async def main():
            print("ready", flush=True)
            await asyncio.sleep(3600)
        sigtask.run(main())
    """,
    "while it imports": """
        import time
        print("ready", flush=True)
        try:
            while True:  # as an import does, it comes back to Python now and then
                time.sleep(0.01)
        finally:
            import asyncio
            asyncio.run(asyncio.sleep(0))
    """,
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces of PIDs")
@pytest.mark.parametrize("name", PID_1)
def test_r29_pid_1_ends_by_a_sigterm_wherever_it_is(start, write, name):
    if not shutil.which("unshare") or subprocess.run([*NEW_PIDS, "true"], capture_output=True).returncode:
        pytest.skip("unshare --pid is not allowed here")
    write("service.py", PID_1[name])
    ours = [] if name == "sigtask.run" else ["-m", "sigtask", "run", "-q"]
    command = [*NEW_PIDS, sys.executable, *ours, "service.py"]
    process = start("-c", f"import os; os.execvp('unshare', {command!r})").wait_for("ready")
    pid = process.popen.pid
    os.kill(int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]), TERM)
    assert process.wait() == 128 + TERM, process.stderr
