"""R29: a program without threads of its own forks as it does without us: no warning, and no signal is lost."""

import signal
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="os.fork()")]

INT, TERM = signal.SIGINT, signal.SIGTERM
HARD = """
    import warnings
    warnings.simplefilter("error")
"""
FORKS = """
    def fork():
        if (pid := os.fork()) == 0:
            os._exit(3)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def test_r29_a_fork_in_main_is_no_error_where_warnings_are(play):
    source = f"""{HARD}{FORKS}
    async def main():
        say(fork(), fork())
        say("ready")

    asyncio.run(main())
    """
    same = play(source, ("plain", "own", "command")).the_same()
    assert (same.status, same.lines) == (0, ["3 3", "ready"])


def test_r29_a_fork_without_a_loop_is_no_error_where_warnings_are(play):
    source = f"""{HARD}{FORKS}
    say(fork())
    say("ready")
    """
    same = play(source, ("plain", "command")).the_same()
    assert (same.status, same.lines) == (0, ["3", "ready"])


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the first releases count the threads after the fork")
def test_r29_a_fork_does_not_warn_of_our_threads(play):
    source = f"""{FORKS}
    async def main():
        fork()
        say("ready")

    asyncio.run(main())
    """
    for outcome in play(source, ("plain", "own", "command")).values():
        assert "multi-threaded" not in outcome.stderr


@pytest.mark.parametrize("signum", [INT, TERM])
def test_r29_a_program_that_forks_all_the_time_is_stopped(play, signum):
    source = f"""{FORKS}
    async def main():
        say("ready")
        try:
            while True:
                fork()
                await asyncio.sleep(0)
        finally:
            say("cleaned")

    asyncio.run(main())
    """
    outcomes = play(source, ("own", "command"), 0.3, signum)
    assert [outcome.lines for outcome in outcomes.values()] == [["ready", "cleaned"]] * 2
    assert outcomes["command"].status == -signum


@pytest.mark.parametrize("signum", [INT, TERM])
def test_r29_a_program_that_forks_all_the_time_without_a_loop_is_stopped(play, signum):
    source = f"""{FORKS}
    say("ready")
    try:
        while True:
            fork()
    finally:
        say("cleaned")
    """
    outcome = play(source, ("command",), 0.3, signum)["command"]
    assert (outcome.status, outcome.lines) == (-signum, ["ready", "cleaned"])


def test_r29_a_ctrl_c_during_a_fork_is_not_lost(play):
    source = """
    import sigtask._run.deaf
    start = sigtask._run.deaf.start_deaf

    def start_deaf(thread):  # called in a callback of the fork, which loses what is raised
        send(signal.SIGINT)
        start(thread)

    sigtask._run.deaf.start_deaf = start_deaf
    say("ready")
    try:
        if os.fork() == 0:
            os._exit(0)
        time.sleep(10)
    except KeyboardInterrupt:
        say("seen")
    """
    assert play(source, ("command",))["command"].lines == ["ready", "seen"]
