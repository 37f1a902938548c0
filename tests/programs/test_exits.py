"""R29: what a program under the command exits with, and the traceback that it leaves, are plain Python's."""

import signal
import sys

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

INT = signal.SIGINT
BOTH = ("plain", "command")


@pytest.mark.parametrize("code", [-1, -9, 257, True, "'text'"])
def test_r29_an_exit_code_is_no_signal(play, code):
    play(f"say('ready')\nsys.exit({code})", BOTH).the_same()


def test_r29_a_subclass_of_keyboard_interrupt_ends_it_as_in_plain_python(play):
    source = """
    class Stop(KeyboardInterrupt):
        pass

    say("ready")
    raise Stop
    """
    play(source, BOTH).the_same()  # by SIGINT, or with 1: that is another thing in each version


def test_r29_the_traceback_of_a_ctrl_c_has_no_line_that_plain_pythons_has_not(play):
    source = """
    async def main():
        say("ready")
        await asyncio.sleep(3600)

    asyncio.run(main())
    """
    outcomes = play(source, BOTH, INT)
    ours = [line for line in lines(outcomes["command"].stderr) if not line.startswith("sigtask.Terminate: SIGINT ")]
    assert set(ours) < set(lines(outcomes["plain"].stderr))
    assert ours[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize("error", ["SystemExit(4)", "KeyboardInterrupt"])
def test_r29_asyncio_shows_a_task_that_exits_as_in_plain_python(play, error):
    source = f"""
    async def exits():
        raise {error}

    async def main():
        say("ready")
        await asyncio.create_task(exits())

    asyncio.run(main())
    """
    outcomes = play(source, BOTH)
    assert outcomes.the_same().status in (4, -INT)
    assert lines(outcomes["command"].stderr) == lines(outcomes["plain"].stderr)


def test_r29_atexit_handlers_find_the_error_in_sys(play):
    source = """
    atexit.register(lambda: say(sys.last_type.__name__, sys.last_value))
    say("ready")
    raise ValueError(1)
    """
    same = play(source, BOTH).the_same()
    assert (same.status, same.lines) == (1, ["ready", "ValueError 1"])


def lines(stderr):
    """Those of a traceback but the carets, which want a line that is not marked as a whole."""
    return [line for line in stderr.splitlines() if line.strip("~^ ")]
