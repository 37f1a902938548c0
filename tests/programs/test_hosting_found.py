"""R29: small programs that were once worse off under `sigtask run` or `run()` than under plain Python."""

import signal

import pytest

pytestmark = pytest.mark.os

LADDER = "drain=1s,terminate=1500ms,kill=500ms"
OWN = f"""
from sigtask import Ladder, run as _run

def run(main):
    return _run(main, ladder=Ladder.parse({LADDER!r}))
"""
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
def ends(start, sigtask_run, write):
    """`ends(source, how, signum)`: what a program prints that is told so when it is ready, and its exit status.

    It is told once more when it says `repeat_at`. `how` is `plain`, `command` or `own`: then `sigtask.run()` stands in
    the place of `asyncio.run()`.
    """

    def ends(source, how, signum=signal.SIGINT, repeat_at=None):
        if how == "own":
            write("ours.py", OWN)
            source = "import ours\n" + source.replace("asyncio.run(", "ours.run(")
        path = write(f"{how}.py", source)
        program = sigtask_run("-q", "--ladder", LADDER, path) if how == "command" else start(path)
        program.wait_for("ready").signal(signum)
        if repeat_at is not None:
            program.wait_for(repeat_at).signal(signum)
        status = program.wait()
        return program.stdout, status

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
print("ready", flush=True)
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
