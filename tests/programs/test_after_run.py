"""R29, R30: repeats of a signal count as one wherever they come, and what comes after `run()` is the caller's own."""

import signal
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT, TERM = signal.SIGINT, signal.SIGTERM

STOPPED = """
    import sigtask
    from sigtask import Drain, wait_requested

    async def main():
        signum = getattr(signal, sys.argv[1])
        asyncio.get_running_loop().call_soon(send, signum)
        if sys.argv[2] == "drains":
            await wait_requested(Drain)
            return "drained"
        await asyncio.sleep(3600)

    def stopped():
        '''A program that the signal has just stopped, by whatever came out of it.'''
        try:
            say(asyncio.run(main()))
        except BaseException as error:
            say("out came", type(error).__name__)

    atexit.register(say, "atexit")
    say("ready")
"""


LADDERS = {"drains": "drain=20s,kill=1s", "is stopped": "terminate=20s,kill=1s"}


def program(rest):
    return STOPPED + rest


# -- repeats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["drains", "is stopped"])
@pytest.mark.parametrize("signum", ["SIGTERM", "SIGINT"])
def test_r29_a_repeat_that_comes_after_run_has_ended_is_merged(play, signum, how):
    source = program("""
    import sigtask._run.os_signals
    sigtask._run.os_signals.MERGE = 60  # seconds, in the place of 0.5: a busy machine may take that long
    stopped()
    send(getattr(signal, sys.argv[1]))
    time.sleep(0.03)
    send(getattr(signal, sys.argv[1]))
    say("saved")
    """)
    out = {"SIGTERM": "out came SystemExit", "SIGINT": "out came KeyboardInterrupt"}[signum]
    for way, outcome in play(source, ("command", "own"), words=(signum, how), ladder=LADDERS[how]).items():
        expected = ["ready", "drained" if how == "drains" else out, "saved", "atexit"]
        assert (outcome.status, outcome.lines) == (0, expected), (way, outcome.stderr)


@pytest.mark.parametrize("how", ["drains", "is stopped"])
def test_r29_a_sigterm_later_on_raises_system_exit_in_the_code_after_run(play, how):
    source = program("""
    stopped()
    time.sleep(0.6)  # the promise is about half a second of real time
    try:
        send(signal.SIGTERM)
        time.sleep(60)
    finally:
        say("cleaned")
    """)
    for way, outcome in play(source, ("command", "own"), words=("SIGTERM", how), ladder=LADDERS[how]).items():
        assert outcome.lines[2:] == ["cleaned", "atexit"], (way, outcome.stderr)
        assert outcome.status == (128 + TERM if way == "own" else -TERM)


def test_r29_after_run_the_signal_after_that_ends_the_process_at_once(play):
    source = program("""
    stopped()
    time.sleep(0.6)
    try:
        send(signal.SIGTERM)
    except SystemExit as error:
        say(error.code)
    say(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    time.sleep(0.6)
    send(signal.SIGTERM)
    time.sleep(60)
    """)
    outcome = play(source, ("own",), words=("SIGTERM", "drains"))["own"]
    assert (outcome.status, outcome.lines) == (-TERM, ["ready", "drained", str(128 + TERM), "True"])


def test_r29_half_a_second_after_run_sigint_is_pythons_own_again(play):
    source = program("""
    stopped()
    while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        time.sleep(0.01)
    async def again():
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.sleep(3600)
        finally:
            say("main told")
    try:
        with asyncio.Runner() as runner:
            runner.run(again())
    except KeyboardInterrupt:
        say("KeyboardInterrupt")
    """)
    outcome = play(source, ("own",), words=("SIGINT", "drains"))["own"]
    assert (outcome.status, outcome.lines) == (0, ["ready", "drained", "main told", "KeyboardInterrupt", "atexit"])


def test_r29_a_second_run_has_a_ladder_of_its_own(play):
    source = program("""
    stopped()
    time.sleep(0.6)
    stopped()
    say(threading.active_count())
    """)
    outcome = play(source, ("own",), words=("SIGTERM", "drains"))["own"]
    assert (outcome.status, outcome.lines[:3]) == (0, ["ready", "drained", "drained"]), outcome.stderr


def test_r30_on_the_watchdogs_path_repeats_are_merged_too(play):
    """The main thread is in C code, and does not come to its handler."""
    source = """
        import ctypes, sigtask
        from sigtask import Drain, Interrupt, Kill, Ladder, Terminate

        class Rungs(sigtask._run.observer.LogObserver):
            due = set()
            def tick(self, progress):
                self.due.add(progress.rung_due.name)

        def sends():
            began = time.monotonic()
            for n in range(9):
                signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
                time.sleep(0.15)
            say(len(Rungs.due), time.monotonic() - began)
            os._exit(0)

        async def main():
            say("ready")
            threading.Thread(target=sends).start()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            ctypes.CDLL(None).sleep(60)

        ladder = Ladder((Drain, 20), (Interrupt, 20), (Terminate, 20), Kill)
        sigtask.run(main(), ladder=ladder, observer=Rungs())
    """
    outcome = play(source, ("own",))["own"]
    rungs, seconds = map(float, outcome.lines[1].split())
    assert 1 <= rungs <= seconds / 0.5, outcome


# -- the watchdog -----------------------------------------------------------------------------------------------------

BOUNDED = program("""
    if sys.argv[3] != "60":  # else the watchdog comes before the timer
        sigtask._run.watchdog.LAST_LINE = 0.2
    os.environ["SIGTASK_LADDER"] = "drain=200ms,terminate=200ms,kill=200ms"
    if sys.argv[2] == "drains":
        stopped()
        say("timers", sum("sigtask" in thread.name for thread in threading.enumerate()))
    else:
        try:
            asyncio.run(main())
        except BaseException:
            say("raised")
    time.sleep(float(sys.argv[3]))
    say("saved")
""")


@pytest.mark.parametrize("signum", ["SIGTERM", "SIGINT"])
def test_r30_a_run_that_has_returned_a_value_leaves_no_watchdog_and_no_timer(play, signum):
    outcome = play(BOUNDED, ("own",), words=(signum, "drains", "1.2"))["own"]
    assert (outcome.status, outcome.lines[1:]) == (0, ["drained", "timers 0", "saved", "atexit"]), outcome.stderr


@pytest.mark.parametrize("signum", [INT, TERM])
def test_r30_what_comes_after_a_run_that_was_stopped_is_bounded(play, signum):
    outcome = play(BOUNDED, ("own",), words=(signum.name, "is stopped", "60"))["own"]
    assert (outcome.status, outcome.lines) == (128 + signum, ["ready", "raised"])
    assert "the watchdog ended it" in outcome.stderr


def test_r30_the_command_bounds_what_comes_after_a_run_that_has_returned_too(play):
    ladder = "drain=200ms,terminate=200ms,kill=200ms"
    outcome = play(BOUNDED, ("command",), words=("SIGTERM", "drains", "60"), ladder=ladder)["command"]
    assert (outcome.status, outcome.lines[:2]) == (128 + TERM, ["ready", "drained"])
