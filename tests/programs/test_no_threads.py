"""R29, R30: where the interpreter starts no thread, at its end or at a limit, programs still run and end."""

import signal
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT, TERM = signal.SIGINT, signal.SIGTERM

AT_THE_LIMIT = """
    def start(thread):
        raise RuntimeError("can't start new thread")

    threading.Thread.start = start
"""


def test_r29_a_program_may_run_a_loop_in_an_atexit_handler(play):
    source = """
    async def main():
        await asyncio.sleep(0)
        say("ran")

    atexit.register(lambda: asyncio.run(main()))
    say("ready")
    """
    same = play(source, ("plain", "own", "command")).the_same()
    assert (same.status, same.lines) == (0, ["ready", "ran"])


def test_r29_at_the_limit_of_threads_a_ctrl_c_does_what_it_does_without_us(play):
    source = f"""{AT_THE_LIMIT}
    async def main():
        try:
            say("ready")
            await asyncio.sleep(3600)
        finally:
            say("cleaned")

    asyncio.run(main())
    """
    same = play(source, ("plain", "own"), INT).the_same()
    assert (same.status, same.lines) == (-INT, ["ready", "cleaned"])


def test_r30_at_the_limit_of_threads_faulthandlers_timer_ends_a_program_that_blocks(play):
    source = f"""{AT_THE_LIMIT}
    import sigtask._run.watchdog
    sigtask._run.watchdog.LAST_LINE = 0.1  # seconds, in the place of 3

    async def main():
        say("ready")
        time.sleep(3600)

    asyncio.run(main())
    """
    outcome = play(source, ("own",), TERM, ladder="terminate=0.1s,kill=0.1s")["own"]
    assert (outcome.status, outcome.lines) == (1, ["ready"]), outcome.stderr
    assert "Timeout" in outcome.stderr
