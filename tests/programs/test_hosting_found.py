"""R29: small programs that were once worse off under `sigtask run` or `run()` than under plain Python."""

import signal
import sys

import pytest

pytestmark = pytest.mark.os

LADDER = "drain=1s,terminate=1500ms,kill=500ms"
HELPER = """
import asyncio

async def helper():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(1)
        print("cleaned", flush=True)
"""


@pytest.fixture
def ends(play):
    """`ends(source, how, signum)`: what a program prints that is told so when it is ready, and its exit status.

    It is told once more when it says `repeat_at`. `how` is a way of `play`: `plain`, `command` or `own`.
    """

    def ends(source, how, signum=signal.SIGINT, repeat_at=None):
        steps = [signum] if repeat_at is None else [signum, repeat_at, signum]
        outcome = play(source, (how,), *steps, ladder=LADDER)[how]
        return "".join(f"{line}\n" for line in outcome.lines), outcome.status

    return ends


hosted = pytest.mark.parametrize("how", ["command", "own"])

# -- main is told first, and cancels its helpers itself ---------------------------------------------------------------

CANCELS_AND_WAITS = """
async def main():
    task = asyncio.create_task(helper())
    await asyncio.sleep(0)
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        task.cancel()
        await asyncio.wait([task])
        print("done", flush=True)

asyncio.run(main())
"""
TASK_GROUP = """
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(helper())
        await asyncio.sleep(0)
        print("ready", flush=True)

asyncio.run(main())
"""
TWO_DEEP = """
async def between():
    await asyncio.create_task(helper())

async def main():
    task = asyncio.create_task(between())
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        task.cancel()
        await asyncio.wait([task])

asyncio.run(main())
"""


@hosted
@pytest.mark.parametrize("rest", [CANCELS_AND_WAITS, TASK_GROUP, TWO_DEEP])
def test_R29_a_cleanup_that_main_waits_for_after_a_plain_cancel_is_not_torn_by_the_terminate(ends, rest, how):
    assert ends(HELPER + rest, how) == ends(HELPER + rest, "plain")


CLOSES = """
import asyncio

async def close(name):
    await asyncio.sleep(1)
    print("closed", name, flush=True)

async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        {close_all}
        print("done", flush=True)

asyncio.run(main())
"""


@hosted
@pytest.mark.parametrize(
    "close_all",
    [
        "await asyncio.gather(close('a'), close('b'))",
        "await asyncio.create_task(close('a'))",
        "await asyncio.wait([asyncio.create_task(close('a'))])",
    ],
)
def test_R29_tasks_that_mains_cleanup_has_made_are_a_part_of_it(ends, close_all, how):
    source = CLOSES.format(close_all=close_all)
    assert ends(source, how) == ends(source, "plain")


WAITS_FOR_NOBODY = """
async def main():
    task = asyncio.create_task(helper())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("main has ended", flush=True)

asyncio.run(main())
"""


@hosted
def test_R29_a_cleanup_that_nobody_waits_for_is_told_when_main_has_ended_as_asyncio_does(ends, how):
    assert ends(HELPER + WAITS_FOR_NOBODY, how) == ends(HELPER + WAITS_FOR_NOBODY, "plain")


# -- a loop in which there are only callbacks -------------------------------------------------------------------------

SERVER = """
import asyncio
loop = asyncio.new_event_loop()
server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
loop.call_soon(lambda: print("ready", flush=True))
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("interrupted", flush=True)
finally:
    server.close()
    loop.close()
    print("closed", flush=True)
"""
FUTURE = """
import asyncio
loop = asyncio.new_event_loop()
loop.call_soon(lambda: print("ready", flush=True))
try:
    loop.run_until_complete(loop.create_future())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("source", [SERVER, FUTURE])
def test_R29_the_code_around_a_loop_without_tasks_is_told(ends, source):
    assert ends(source, "command") == ends(source, "plain")


def test_R29_the_code_around_a_loop_without_tasks_is_told_of_a_sigterm(ends):
    assert ends(SERVER, "command", signal.SIGTERM) == ("ready\nclosed\n", -signal.SIGTERM)


# -- what comes after a run() that was stopped ------------------------------------------------------------------------

RUNS_AGAIN = """
import asyncio

async def serve():
    print("ready", flush=True)
    await asyncio.sleep(60)

async def clean_up():
    await asyncio.sleep(0.8)
    print("cleaned up", flush=True)

try:
    asyncio.run(serve())
except KeyboardInterrupt:
    asyncio.run(clean_up())
    print("after", flush=True)
"""


@hosted
def test_R29_a_second_run_that_cleans_up_gets_no_signal_that_nobody_has_sent(ends, how):
    assert ends(RUNS_AGAIN, how) == ends(RUNS_AGAIN, "plain") == ("ready\ncleaned up\nafter\n", 0)


@hosted
def test_R29_a_repeat_that_comes_into_a_second_run_counts_as_one_with_the_first(ends, how):
    source = RUNS_AGAIN.replace("clean_up():\n", "clean_up():\n    print('again', flush=True)\n")
    assert ends(source, how, repeat_at="again") == ends(source, "plain") == ("ready\nagain\ncleaned up\nafter\n", 0)


# -- what the program has set for SIGTERM ------------------------------------------------------------------------------

TERM_AS_CTRL_C = """
import asyncio, signal
signal.signal(signal.SIGTERM, signal.default_int_handler)

async def main():
    try:
        print("ready", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@hosted
def test_R29_a_sigterm_for_which_pythons_own_handler_of_sigint_is_set_is_a_keyboard_interrupt(ends, how):
    assert ends(TERM_AS_CTRL_C, how, signal.SIGTERM) == ends(TERM_AS_CTRL_C, "plain", signal.SIGTERM)


EXITS_FROM_ITS_HANDLER = """
import asyncio, signal

def leave():
    raise SystemExit(7)

async def helper():
    await asyncio.sleep(60)

async def main():
    for signum in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(signum, leave)
    task = asyncio.create_task(helper())
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.1)
        print("cleaned", flush=True)

asyncio.run(main())
"""


@hosted
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_R29_a_handler_in_the_loop_that_exits_leaves_main_its_cleanup_and_the_program_its_status(ends, how, signum):
    assert ends(EXITS_FROM_ITS_HANDLER, how, signum) == ends(EXITS_FROM_ITS_HANDLER, "plain", signum)


# -- no loop runs yet -------------------------------------------------------------------------------------------------

READS_ON = """
import os, signal, threading
signal.siginterrupt(signal.SIGTERM, False)
read, write = os.pipe()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()  # by then it reads
print("ready", flush=True)
os.read(read, 1)
"""


def test_R30_a_c_call_before_any_loop_that_looks_for_no_signals_is_bounded_by_the_ladder(ends):
    assert ends(READS_ON, "command", signum=0) == ("ready\n", 128 + signal.SIGTERM)


# -- stderr is closed -------------------------------------------------------------------------------------------------


@pytest.fixture
def without_stderr(start, write):
    """`without_stderr(source, *before)`: `python *before` that program, with `2>&-`."""

    def without_stderr(source, *before):
        words = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, *before, str(write("program.py", source))]
        return start("-c", f"import os; os.execvp('sh', {words!r})").wait_for("ready")

    return without_stderr


WAITS = """
import asyncio

async def main():
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_R29_a_program_without_a_stderr_dies_of_ctrl_c_too(without_stderr):
    program = without_stderr(WAITS, "-m", "sigtask", "run")
    program.signal(signal.SIGINT)
    assert program.wait() == -signal.SIGINT


BLOCKS = """
import os
assert os.open("book", os.O_RDWR | os.O_CREAT) == 2  # the number of stderr is free
import time
from sigtask import Ladder, run

async def main():
    print("ready", flush=True)
    time.sleep(60)

run(main(), ladder=Ladder.parse("terminate=100ms,kill=100ms"))
"""


def test_R30_last_words_are_not_written_into_a_file_that_has_the_number_of_stderr(without_stderr, tmp_path):
    program = without_stderr(BLOCKS)
    program.signal(signal.SIGTERM)
    assert program.wait() == 128 + signal.SIGTERM
    assert (tmp_path / "book").read_bytes() == b""


# -- what is left behind ----------------------------------------------------------------------------------------------

FAILS_AT_ITS_END = """
import asyncio

async def helper():
    try:
        await asyncio.sleep(60)
    finally:
        raise ValueError("not saved")

def tell(loop, context):
    print(context["message"], repr(context["exception"]), flush=True)

async def main():
    asyncio.get_running_loop().set_exception_handler(tell)
    task = asyncio.create_task(helper())
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@hosted
def test_R29_the_error_of_a_task_that_was_left_behind_is_told_as_asyncio_tells_it(ends, how):
    told, status = ends(FAILS_AT_ITS_END, "plain")
    assert ends(FAILS_AT_ITS_END, how) == (told, status)
    assert ends(FAILS_AT_ITS_END, how, signal.SIGTERM)[0] == told
