"""What tools see of our tasks: those of Python 3.14 and later that read another process, and those inside."""

import asyncio
import contextlib
import ctypes
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sigtask
from sigtask._core.stock import get_shim
from sigtask.testing import FakeClockLoop, turns

TARGET = Path(__file__).with_name("seen_from_outside.py")
WORD = ctypes.sizeof(ctypes.c_void_p)
reading = pytest.mark.skipif(sys.version_info < (3, 14) or sys.platform != "linux", reason="needs a Python that reads")


@contextlib.contextmanager
def process(kind, mode):
    """Its pid; it has stopped itself."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(TARGET), kind, mode], env=env) as child:
        try:
            wait_until_stopped(child.pid)
            yield child.pid
        finally:
            child.kill()


def wait_until_stopped(pid):
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])


def go_on(pid):
    os.kill(pid, 18)  # SIGCONT, which Windows has not
    wait_until_stopped(pid)


def shown(pid, *command):
    done = subprocess.run([sys.executable, "-m", *command, str(pid)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def may_read():
    with process("stock", "states") as pid:
        done = subprocess.run([sys.executable, "-m", "asyncio", "ps", str(pid)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let a process be read: {done.stderr[-200:]}")


@pytest.mark.os
@reading
@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_asyncio_ps_and_pstree_name_tasks_in_every_state(may_read, command):
    with process("ours", "states") as pid:
        text = shown(pid, "asyncio", command)
    names = {"asleep", "group", "child-1", "child-2", "pending", "masked", "to be killed", "never started"}
    assert {name for name in names if name not in text} == set()
    assert "killed " not in text.replace("to be killed", "")  # one that is done is not shown


@pytest.mark.os
@reading
def test_asyncio_ps_and_pstree_do_not_fail_while_hundreds_come_and_go(may_read):
    with process("ours", "churn") as pid:
        for turn in range(12):
            assert "asleep-99" in shown(pid, "asyncio", ("ps", "pstree")[turn % 2])
            go_on(pid)


@pytest.mark.os
@pytest.mark.skipif(sys.version_info < (3, 15) or sys.platform != "linux", reason="needs the sampling profiler")
@pytest.mark.parametrize("mode", ["running", "all"])
def test_the_sampling_profiler_makes_no_bad_sample_of_our_tasks(may_read, mode):
    with process("ours", "churn") as pid:
        options = ("-d", "1", "-r", "100", "--async-aware", "--async-mode", mode)
        text = shown(pid, "profiling.sampling", "attach", *options)
    assert re.search(r"Error rate: 0\.00", text), text


@reading
async def test_where_a_coroutine_keeps_its_code_a_shim_has_nothing():
    """So that nobody who takes it for a coroutine follows what stands there."""
    task = asyncio.create_task(turns(1))
    code = _words(task.get_coro()).index(id(turns.__code__))
    assert type(get_shim(task)).__basicsize__ >= (code + 1) * WORD
    assert _words(get_shim(task))[code] == 0
    task.interrupt()
    assert _words(get_shim(task))[code] == 0
    await asyncio.wait([task])
    assert _words(get_shim(task))[code] == 0


def _words(thing):
    size = type(thing).__basicsize__ // WORD * WORD
    raw = ctypes.string_at(id(thing), size)
    return [int.from_bytes(raw[i : i + WORD], sys.byteorder) & ~3 for i in range(0, size, WORD)]


# -- from inside ------------------------------------------------------------------------------------------------------


async def _inner():
    await asyncio.get_running_loop().create_future()


async def _outer():
    await _inner()


async def _awaits(task):
    await asyncio.wait([task])


def _on_both(look):
    """What `look(task)` writes for a stock task that waits, and for one of ours, without the addresses.

    In debug mode a task says where it was created: any task factory's are a line further inside asyncio.
    """
    texts = []

    async def main():
        task = asyncio.create_task(_outer(), name="seen")
        other = asyncio.create_task(_awaits(task), name="awaits")
        await turns(3)
        out = io.StringIO()
        look(task, out)
        texts.append(re.sub(r"0x[0-9a-f]+| created at [^>]+", "", out.getvalue()))
        task.cancel()
        await other

    for install in (lambda loop: None, sigtask.install):
        loop = FakeClockLoop()
        install(loop)
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
    return texts


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs asyncio's call graph")
def test_print_call_graph_shows_what_it_shows_of_a_stock_task():
    stock, ours = _on_both(lambda task, out: asyncio.print_call_graph(task, file=out))
    assert ours == stock
    assert "_inner" in ours and "awaits" in ours


def test_print_stack_shows_what_it_shows_of_a_stock_task():
    stock, ours = _on_both(lambda task, out: task.print_stack(file=out))
    assert ours == stock
    assert "_outer" in ours


async def test_get_stack_gives_the_frames_of_the_users_coroutine():
    task = asyncio.create_task(_outer())
    await turns(2)
    assert [frame.f_code for frame in task.get_stack()] == [_outer.__code__]
    task.cancel()
