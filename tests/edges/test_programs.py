"""DESIGN, section 6: `run_process` and `open_process`, child programs under the same signals as tasks."""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import signal
import subprocess
import sys
import time

import pytest

import sigtask
from sigtask import (
    Drain,
    Fate,
    Interrupt,
    Kill,
    Ladder,
    ProcessError,
    ProcessResult,
    Terminate,
    accept,
    mask,
    open_process,
    partial_result,
    requested,
    run_process,
    stop,
)
from sigtask.processes import _groups

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(sys.platform == "win32", reason="process groups"),
    pytest.mark.usefixtures("no_child_left"),
]

TRAPS = """
import os, signal, sys, time
def on(signum, frame):
    print(signal.Signals(signum).name)
    sys.exit(7)
for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(signum, on)
print("working")
os.write(2, b"ready\\n")
while True: time.sleep(60)
"""
DEAF = """
import os, signal, time
for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(signum, signal.SIG_IGN)
os.write(2, b"%d\\n" % os.getpid())
while True: time.sleep(60)
"""


# -- what it gives ----------------------------------------------------------------------------------------------------


def test_it_gives_status_and_output(on_loop):
    result = on_loop(lambda: run_process(["sh", "-c", "echo out; echo err >&2"]))
    assert (result.returncode, result.stdout, result.stderr) == (0, b"out\n", b"err\n")
    assert result.args == ("sh", "-c", "echo out; echo err >&2")


def test_another_status_than_0_is_an_error_that_shows_stderr_and_has_the_result(on_loop):
    with pytest.raises(ProcessError) as caught:
        on_loop(lambda: run_process(["sh", "-c", "echo out; echo disk full >&2; exit 3"]))
    text = str(caught.value)
    assert "ended with status 3" in text
    assert "disk full" in text
    assert "echo out" in text
    assert isinstance(caught.value, subprocess.CalledProcessError)
    assert (caught.value.returncode, caught.value.stdout) == (3, b"out\n")
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


def test_without_check_another_status_is_a_result(on_loop):
    result = on_loop(lambda: run_process(["sh", "-c", "kill -9 $$"], check=False))
    assert (result.returncode, result.ending) == (-9, "was ended by SIGKILL")


def test_input_is_read_and_output_goes_where_it_is_told(on_loop, tmp_path):
    async def main():
        with open(tmp_path / "out", "wb") as file:
            result = await run_process(["cat"], input=b"x" * 1_000_000, stdout=file)
            merged = await run_process(["sh", "-c", "echo a; echo b >&2"], stderr=subprocess.STDOUT)
        return result, merged

    result, merged = on_loop(main)
    assert result.stdout == b""
    assert (tmp_path / "out").read_bytes() == b"x" * 1_000_000
    assert merged.stdout == b"a\nb\n"


def test_without_input_there_is_nothing_to_read(on_loop):
    assert on_loop(lambda: run_process(["cat"])).stdout == b""


def test_cwd_and_env_are_as_for_subprocess(on_loop, tmp_path):
    env = {"PATH": os.environ["PATH"], "COLOUR": "blue"}
    result = on_loop(lambda: run_process(["sh", "-c", "pwd; echo $COLOUR"], cwd=tmp_path, env=env))
    assert result.stdout.decode().split() == [str(tmp_path), "blue"]


# -- bad input --------------------------------------------------------------------------------------------------------


def script(path, text, mode):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_program_that_does_not_exist_is_a_clear_error(on_loop, tmp_path):
    cases = [
        (["no-such-program"], {}, FileNotFoundError, "no program 'no-such-program' on PATH; install it"),
        ([str(tmp_path / "none")], {}, FileNotFoundError, "at that path"),
        (["true"], {"cwd": tmp_path / "nowhere"}, FileNotFoundError, "nowhere' is not there; make it first"),
        (["true"], {"cwd": __file__}, NotADirectoryError, "test_programs.py' is a file; name a directory"),
        ([str(tmp_path)], {}, PermissionError, "is a directory; name the program in it"),
        (["true", "x" * 200_000], {}, OSError, "arguments that are too long.*hand them over as input or in a file"),
        ([script(tmp_path / "odd", "#!/no/such/interpreter\n", 0o755)], {}, FileNotFoundError, "not the interpreter"),
        ([script(tmp_path / "text", "hello\n", 0o644)], {}, PermissionError, "chmod"),
        ([script(tmp_path / "bare", "echo hello\n", 0o755)], {}, OSError, "lacks a first line"),
    ]

    async def main():
        for cmd, options, kind, says in cases:
            with pytest.raises(kind, match=says) as caught:
                await run_process(cmd, **options)
            assert "run_process()" in str(caught.value)
            with pytest.raises(kind, match=says):
                async with open_process(cmd, **options):
                    pass

    on_loop(main)


@pytest.mark.parametrize(
    ("cmd", "options", "kind", "says"),
    [
        ("ls -l", {}, TypeError, "as a list.*'sh', '-c'"),
        ([], {}, TypeError, "as a list"),
        (["ls", 3], {}, TypeError, "must be text or paths"),
        (["ls", b"x"], {}, TypeError, "must be text or paths"),
        (["ls"], {"input": "text"}, TypeError, "must be bytes"),
        (["ls"], {"grace": -1}, ValueError, "grace"),
        (["ls"], {"max_output": 0}, ValueError, "max_output"),
        (["ls"], {"signals": {Kill: signal.SIGTERM}}, ValueError, "Kill"),
        (["ls"], {"signals": {Drain: "HUP"}}, TypeError, "OS signal or None"),
        (["ls"], {"signals": {int: 1}}, TypeError, "signal class"),
        (["ls"], {"signals": [Drain]}, TypeError, "signals is .*give a mapping"),
        (["ls"], {"grace": "5"}, ValueError, "grace is '5'"),
        (["ls"], {"max_output": "5"}, ValueError, "max_output is '5'"),
        (["ls", "a\0b"], {}, ValueError, "run_process.*'ls' was not started.*null byte.*check its arguments"),
        (["ls", "\ud800"], {}, ValueError, "run_process.*'ls' was not started.*surrogates"),
        (["ls"], {"env": {"a=b": "c"}}, ValueError, "run_process.*'ls' was not started.*environment"),
        (["ls"], {"env": {"A": 1}}, TypeError, "run_process.*'ls' was not started.*int"),
        (["ls"], {"stdout": "a.txt"}, TypeError, "run_process.*'ls' was not started.*streams"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_started(cmd, options, kind, says):
    with pytest.raises(kind, match=says):
        asyncio.run(run_process(cmd, **options))


@pytest.mark.parametrize("cmd", [["x" * 10**6], {1: "x" * 10**6}, ["ls", ["x"] * 10**6], "x" * 10**6])
def test_an_error_does_not_show_megabytes_of_what_it_was_given(cmd):
    with pytest.raises((OSError, TypeError)) as caught:
        asyncio.run(run_process(cmd))
    assert len(str(caught.value)) < 600


def test_a_program_that_closes_its_input_early_is_no_error(on_loop):
    result = on_loop(lambda: run_process(["sh", "-c", "exec <&-; echo closed"], input=b"x" * 10_000_000))
    assert result.stdout == b"closed\n"


def test_of_a_flood_the_end_is_kept_and_the_rest_counted(on_loop):
    result = on_loop(lambda: run_process(["sh", "-c", "yes | head -c 3000000; echo end"], max_output=1000))
    assert len(result.stdout) == 1000
    assert result.stdout.endswith(b"y\nend\n")
    assert result.stdout_dropped == 3_000_004 - 1000


def test_memory_is_bounded_with_a_program_that_floods_its_pipe(on_loop):
    """1 GiB, in a process of its own so that its peak is its own."""
    code = f"""
import asyncio, resource, sys, sigtask
async def main():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await sigtask.run_process(["head", "-c", str(1 << 30), "/dev/zero"])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(len(result.stdout) + result.stdout_dropped, len(result.stdout), grown)
factory = None
if {on_loop.kind == "uvloop"}:
    import uvloop
    factory = uvloop.new_event_loop
sigtask.run(main(), loop_factory=factory)
"""
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(sigtask.__file__))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    whole, kept, grown = map(int, done.stdout.split())
    assert (whole, kept) == (1 << 30, 16 << 20)
    assert grown < 64 << 10, f"{grown} KiB"  # what is kept, twice while it is joined, and some


# -- the rungs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("send", "name", "ends_by"),
    [
        (lambda task: task.interrupt("why"), "SIGINT", Interrupt),
        (lambda task: task.terminate("why"), "SIGTERM", Terminate),
        (lambda task: task.cancel(), "SIGTERM", None),
    ],
)
def test_a_signal_is_an_os_signal_to_the_program_and_is_thrown_with_its_output(on_loop, ready, py, send, name, ends_by):
    """TRAPS, subprocesses: cancelling loses no output (python/cpython#139373) and leaves no child (#103847)."""

    async def main():
        task = asyncio.create_task(run_process(py(TRAPS), stderr=ready.fd))
        await ready.lines()
        send(task)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return task, caught.value

    task, error = on_loop(main)
    assert type(task.ended_by) is (ends_by or type(None))
    if ends_by is not None:
        assert error.reason == "why"
    result = partial_result(error)
    assert result.stdout.decode().split() == ["working", name]
    assert result.returncode == 7


def test_a_kill_is_a_sigkill_to_the_group_and_leaves_no_zombie(on_loop, ready, py, family, is_there):
    async def main():
        task = asyncio.create_task(run_process(py("import os\nos.fork()\n" + DEAF), stderr=ready.fd))
        pids = [int(line) for line in await ready.lines(2)]
        task.kill("enough")
        await asyncio.wait([task])
        return task, pids

    task, pids = on_loop(main)
    assert isinstance(task.ended_by, Kill)
    assert partial_result(task.ended_by).returncode in (None, -9)
    assert [pid for pid in pids if is_there(pid)] == []
    assert family() == []


def test_r25_a_ladder_climbs_to_the_kill_for_a_program_that_ignores_everything(on_loop, ready, py, family):
    async def main():
        task = asyncio.create_task(run_process(py(DEAF), stderr=ready.fd), name="deaf")
        await ready.lines()
        return await stop(task, ladder=Ladder((Interrupt, 0.1), (Terminate, 0.1), Kill))

    report = on_loop(main)
    row = report.tasks[0]
    assert (row.ended, row.rung, set(row.stood)) == ("ended by Kill", "kill", {"interrupt", "terminate", "kill"})
    assert all("program " in place and "(pid " in place for place in row.stood.values()), row.stood
    assert "got a SIGKILL" in row.note
    assert family() == []


def test_without_a_ladder_the_grace_ends_a_program_that_ignores_everything(on_loop, ready, py):
    async def main():
        task = asyncio.create_task(run_process(py(DEAF), stderr=ready.fd, grace=0.1))
        await ready.lines()
        task.terminate("why")
        with pytest.raises(Terminate) as caught:
            await task
        return partial_result(caught.value)

    assert on_loop(main).returncode == -signal.SIGKILL


def test_under_a_ladder_the_grace_is_the_ladders(on_loop, ready, py):
    slow = TRAPS.replace("sys.exit(7)", "time.sleep(0.4); print('cleaned up'); sys.exit(7)")

    async def main():
        task = asyncio.create_task(run_process(py(slow), stderr=ready.fd, grace=0.0))
        await ready.lines()
        await stop(task, ladder=Ladder((Terminate, 20), Kill))
        return partial_result(task.ended_by)

    assert on_loop(main).stdout.endswith(b"cleaned up\n")


def test_a_stronger_signal_goes_on_to_the_program_while_it_cleans_up(on_loop, ready, py):
    code = """
import os, signal, sys, time
def term(signum, frame): print("term"); sys.exit(1)
signal.signal(signal.SIGINT, lambda *_: os.write(2, b"cleaning\\n"))
signal.signal(signal.SIGTERM, term)
os.write(2, b"ready\\n")
while True: time.sleep(60)
"""

    async def main():
        task = asyncio.create_task(run_process(py(code), stderr=ready.fd))
        await ready.lines(1)
        task.interrupt("soon")
        await ready.lines(2)
        task.interrupt("soon!")  # R5: as strong as the one in force, or in flight
        task.terminate("now")
        await asyncio.wait([task])
        return task

    task = on_loop(main)
    assert isinstance(task.ended_by, Terminate)
    assert partial_result(task.ended_by).stdout == b"term\n"


def test_the_map_is_an_option(on_loop, ready, py):
    class Reload(Interrupt): ...

    async def main():
        task = asyncio.create_task(run_process(py(TRAPS), stderr=ready.fd, signals={Reload: signal.SIGHUP}))
        await ready.lines()
        task.send_signal(Reload)
        await asyncio.wait([task])
        return partial_result(task.ended_by)

    assert on_loop(main).stdout.endswith(b"SIGHUP\n")


def test_a_class_that_maps_to_none_waits_for_the_program(on_loop, ready, py):
    async def main():
        async def program():
            code = "import os, sys; os.write(2, b'ready\\n'); print(sys.stdin.read())"
            async with open_process(py(code), stderr=ready.fd, signals={Interrupt: None}) as program:
                started.set_result(program)
                await program.wait()

        started = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(program())
        await ready.lines()
        task.interrupt()
        await asyncio.sleep(0)
        assert (await started).returncode is None
        (await started).stdin.close()
        await asyncio.wait([task])
        return task.ended_by

    ended_by = on_loop(main)
    assert isinstance(ended_by, Interrupt)
    assert partial_result(ended_by).returncode == 0


def test_a_drain_is_held_and_the_program_hears_nothing_of_it(on_loop, ready, py):
    async def main():
        async def program():
            result = await run_process(py("import os; os.write(2, b'ready\\n'); print('whole')"), stderr=ready.fd)
            return result, requested(Drain)

        task = asyncio.create_task(program())
        await asyncio.sleep(0)
        task.drain("later")
        return await task

    result, held = on_loop(main)
    assert result.stdout == b"whole\n"
    assert held.reason == "later"


def test_r26_a_drain_can_be_mapped_and_then_it_is_listened_for(on_loop, ready, py):
    async def main():
        cmd = py(TRAPS.replace("sys.exit(7)", "sys.exit(0)"))
        task = asyncio.create_task(run_process(cmd, stderr=ready.fd, signals={Drain: signal.SIGHUP}))
        await ready.lines()
        report = await stop(task, ladder=Ladder((Drain, 20), Kill))
        return report, task.result()

    report, result = on_loop(main)
    assert (report.tasks[0].ended, report.tasks[0].rung) == ("returned", "drain")
    assert result.stdout.endswith(b"SIGHUP\n")


def test_a_drain_that_is_held_already_is_told_to_the_program_when_it_starts(on_loop, py):
    async def main():
        async def program():
            while requested(Drain) is None:
                await asyncio.sleep(0)
            await run_process(["sleep", "60"], signals={Drain: signal.SIGUSR1})

        task = asyncio.create_task(program())
        await asyncio.sleep(0)
        task.drain()
        with pytest.raises(ProcessError) as caught:
            await task
        return caught.value.returncode

    assert on_loop(main) == -signal.SIGUSR1


def test_r13_a_drain_that_is_accepted_is_thrown_when_the_program_has_ended(on_loop, ready, py):
    async def main():
        async def program():
            with accept(Drain):
                code = "import os, sys; os.write(2, b'ready\\n'); print('whole')"
                await run_process(py(code), stderr=ready.fd)

        task = asyncio.create_task(program())
        await asyncio.sleep(0)
        task.drain()
        await asyncio.wait([task])
        return task.ended_by

    ended_by = on_loop(main)
    assert isinstance(ended_by, Drain)
    assert partial_result(ended_by).stdout == b"whole\n"


def test_r14_a_mask_keeps_signals_from_the_program(on_loop, ready, py):
    async def main():
        results = []

        async def program():
            with mask(Terminate):
                code = "import os, sys; os.write(2, b'ready\\n'); print(sys.stdin.read())"
                async with open_process(py(code), stderr=ready.fd, signals={Drain: signal.SIGHUP}) as program:
                    started.set_result(program)
                    results.append(await program.wait())
            await asyncio.sleep(600)  # the end of a mask raises nothing: the next await does

        started = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(program())
        await ready.lines()
        task.drain()
        task.terminate()
        (await started).stdin.close()
        await asyncio.wait([task])
        return task, results

    task, results = on_loop(main)
    assert [result.returncode for result in results] == [0]
    assert isinstance(task.ended_by, Terminate)


def test_a_timeout_ends_the_program_and_has_its_output(on_loop, ready, py):
    async def main():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(None) as timeout:
                asyncio.get_running_loop().call_soon(timeout.reschedule, asyncio.get_running_loop().time())
                await run_process(["sh", "-c", "echo so far; exec sleep 60"], stderr=ready.fd)
        return partial_result(caught.value)

    assert on_loop(main).returncode == -signal.SIGTERM


def test_a_stock_task_passes_its_cancel_on_as_well(on_loop, ready, py):
    async def main():
        task = asyncio.Task(run_process(py(TRAPS), stderr=ready.fd), loop=asyncio.get_running_loop())
        assert not isinstance(task, sigtask.Task)
        await ready.lines()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return partial_result(caught.value)

    assert on_loop(main).stdout.endswith(b"SIGTERM\n")


def test_trap_118516_a_cancel_in_the_turn_of_the_start_reaches_the_program(on_loop):
    async def main():
        tasks = [asyncio.create_task(run_process(["sleep", "60"])) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks:
            task.terminate()
        await asyncio.wait(tasks)
        return [partial_result(task.ended_by).returncode for task in tasks]

    assert on_loop(main) == [-signal.SIGTERM] * 5


def test_a_program_that_is_stopped_by_sigstop_ends_all_the_same(on_loop, ready, py):
    async def main():
        task = asyncio.create_task(run_process(py(DEAF.replace("signal.SIGTERM, ", "")), stderr=ready.fd))
        (pid,) = await ready.lines()
        os.kill(int(pid), signal.SIGSTOP)
        task.terminate()
        await asyncio.wait([task])
        return partial_result(task.ended_by).returncode

    assert on_loop(main) == -signal.SIGTERM


def test_every_signal_is_in_the_history(on_loop, ready, py):
    async def main():
        task = asyncio.create_task(run_process(py(TRAPS), stderr=ready.fd))
        await ready.lines()
        task.drain()
        task.terminate()
        await asyncio.wait([task])
        return [(type(one.signal), one.fate) for one in task.history]

    assert on_loop(main) == [(Drain, Fate.PENDING), (Terminate, Fate.DELIVERED)]


# -- no orphan --------------------------------------------------------------------------------------------------------


def test_what_a_program_leaves_in_its_group_ends_with_it(on_loop, family):
    began = time.monotonic()
    result = on_loop(lambda: run_process(["sh", "-c", "sleep 600 & echo done"]))
    assert result.stdout == b"done\n"
    assert family() == []
    assert time.monotonic() - began < 20


def test_what_still_writes_when_the_program_ends_may_finish(on_loop):
    result = on_loop(lambda: run_process(["sh", "-c", "(sleep 0.1; echo last) & echo first"]))
    assert result.stdout == b"first\nlast\n"


DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    %s
"""


def test_a_daemon_that_a_program_leaves_on_purpose_lives_on(on_loop, ready, py, family):
    code = DAEMON % "os.close(0); os.close(1); os.write(2, b'%d\\n' % os.getpid()); import time; time.sleep(600)"

    async def main():
        await run_process(py(code), stderr=ready.fd)
        return int((await ready.lines())[0])

    pid = on_loop(main)
    assert family() == [pid]
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_of_a_program_that_is_stopped_also_what_left_the_group_ends(on_loop, ready, py, family, is_there, how):
    async def main():
        task = asyncio.create_task(run_process(py(DAEMON % "pass" + DEAF), stderr=ready.fd, grace=0.1))
        pids = [int(line) for line in await ready.lines(2)]
        getattr(task, how)()
        await asyncio.wait([task])
        return pids

    pids = on_loop(main)
    assert [pid for pid in pids if is_there(pid)] == []
    assert family() == []


def test_a_stray_that_dies_before_its_parent_is_collected_when_that_has_died(py, monkeypatch, is_there):
    """The loop's end kills once more, when a daemon is a zombie already and its parent is not quite dead yet."""
    code = "import os, time\nif not os.fork(): os.setsid(); os.write(1, b'%d' % os.getpid())\ntime.sleep(600)"
    env, mark = _groups.marked_environment(None)
    with subprocess.Popen(py(code), stdout=subprocess.PIPE, start_new_session=True, env=env) as parent:
        group = _groups.Group(parent.pid, mark)
        stray = int(os.read(parent.stdout.fileno(), 100))
        dead = os.pidfd_open(stray)
        try:
            monkeypatch.setattr(_groups._guard, "marked", lambda marks: [stray])  # the parent lives on for a while
            group.adopt()
            assert group.kill_strays()
            select.select([dead], [], [], 30)
            monkeypatch.setattr(_groups._guard, "marked", lambda marks: [])  # a zombie has no environment
            assert group.kill_strays()
        finally:
            group.send(signal.SIGKILL)
            parent.wait()
            os.close(dead)
        assert not group.kill_strays()
        group.forget()
        _groups.dismiss_guard()
    assert not is_there(stray)


@pytest.mark.parametrize("look", [1, 2], ids=["before the first look", "between two looks"])
def test_a_stray_whose_parent_dies_while_it_is_looked_for_is_collected(py, monkeypatch, is_there, look):
    """No child of ours when it was waited for, it is handed to us a moment later: it is not taken for gone."""
    code = "import os, time\nif not os.fork(): os.setsid(); os.write(1, b'%d' % os.getpid())\ntime.sleep(600)"
    env, mark = _groups.marked_environment(None)
    with subprocess.Popen(py(code), stdout=subprocess.PIPE, start_new_session=True, env=env) as parent:
        group = _groups.Group(parent.pid, mark)
        stray = int(os.read(parent.stdout.fileno(), 100))
        dead = os.pidfd_open(stray)
        stat, looks = _groups._stat, []

        def parent_dies_first(pid):
            looks.append(pid)
            if len(looks) == look:
                group.send(signal.SIGKILL)
                parent.wait()
            return stat(pid)

        try:
            monkeypatch.setattr(_groups._guard, "marked", lambda marks: [stray])
            group.adopt()
            assert group.kill_strays()
            select.select([dead], [], [], 30)
            monkeypatch.setattr(_groups._guard, "marked", lambda marks: [])  # a zombie has no environment
            monkeypatch.setattr(_groups, "_stat", parent_dies_first)
            assert group.kill_strays()
            assert len(looks) >= look
        finally:
            group.send(signal.SIGKILL)
            parent.wait()
            os.close(dead)
        assert not group.kill_strays()
        group.forget()
        _groups.dismiss_guard()
    assert not is_there(stray)


def test_without_pidfd_a_thread_waits(on_loop, ready, py, monkeypatch):
    def refuse(pid, flags=0):
        raise OSError("this kernel has none")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)

    async def main():
        assert (await run_process(["echo", "hello"])).stdout == b"hello\n"
        task = asyncio.create_task(run_process(py(DEAF), stderr=ready.fd))
        await ready.lines()
        task.kill()
        await asyncio.wait([task])

    on_loop(main)


def test_two_hundred_programs_leave_no_descriptor_open(on_loop):
    async def main():
        await run_process(["true"])
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            await asyncio.gather(*(run_process(["echo", "x"]) for _ in range(10)))
        return len(os.listdir("/proc/self/fd")) - before

    assert on_loop(main) == 0


# -- open_process -----------------------------------------------------------------------------------------------------


def test_a_program_can_be_talked_to(on_loop):
    async def main():
        lines = []
        async with open_process(["sh", "-c", "read a; echo got $a; read b; echo and $b; cat"]) as program:
            await program.stdin.write(b"one\n")
            async for line in program.stdout:
                lines.append(line)
                if line.startswith(b"got"):
                    await program.stdin.write(b"two\nlast")
                    program.stdin.close()
        return lines, program.result

    lines, result = on_loop(main)
    assert lines == [b"got one\n", b"and two\n", b"last"]
    assert (result.returncode, result.stdout) == (0, b"")


def test_a_line_of_megabytes_is_read_in_time_that_grows_with_its_length(on_loop):
    """Each piece searched again with all before it takes a hundred times as long."""
    length = 64 << 20

    async def main():
        async with open_process(["head", "-c", str(length), "/dev/zero"], max_output=2 * length) as program:
            return [len(line) async for line in program.stdout]

    before = time.process_time()
    assert on_loop(main) == [length]
    assert time.process_time() - before < 5


def test_lines_are_whole_wherever_the_pieces_of_the_output_end(on_loop):
    code = "import os\nfor piece in (b'a', b'b\\n\\nc', b'd', b'\\n', b'e\\nf'):\n    os.write(1, piece)\n    input()"

    async def main():
        async with open_process([sys.executable, "-c", code]) as program:
            lines = []
            await program.stdin.write(b"\n")
            async for line in program.stdout:
                lines.append(line)
                if len(lines) == 1:
                    await program.stdin.write(b"\n" * 4)
            return lines

    assert on_loop(main) == [b"ab\n", b"\n", b"cd\n", b"e\n", b"f"]


def test_text_to_a_program_is_refused_with_what_to_write(on_loop):
    async def main():
        async with open_process(["cat"]) as program:
            with pytest.raises(TypeError, match=r"write\(\) takes bytes, got str; for example text.encode\(\)"):
                await program.stdin.write("text")

    on_loop(main)


def test_writing_to_a_program_that_has_closed_its_input_says_so(on_loop):
    async def main():
        async with open_process(["sh", "-c", "exec <&-; echo closed"]) as program:
            await program.stdout.read()
            with pytest.raises(BrokenPipeError, match="closed its standard input"):
                await program.stdin.write(b"x" * 1_000_000)

    on_loop(main)


def test_who_reads_slowly_loses_nothing_and_holds_the_program_up(on_loop):
    async def main():
        total = most = 0
        async with open_process(["head", "-c", "5000000", "/dev/zero"], max_output=100_000) as program:
            while data := await program.stdout.read():
                total += len(data)
                most = max(most, len(data))
        return total, most

    total, most = on_loop(main)
    assert total == 5_000_000
    assert most < 100_000 + (1 << 17)


def test_at_the_end_of_the_block_its_input_is_closed_and_its_end_waited_for(on_loop):
    async def main():
        async with open_process(["sh", "-c", "cat; echo bye"]) as program:
            await program.stdin.write(b"x")
        return program.result

    result = on_loop(main)
    assert (result.returncode, result.stdout) == (0, b"xbye\n")


def test_a_block_that_is_left_by_an_error_terminates_the_program(on_loop, ready, py):
    async def main():
        with pytest.raises(ValueError, match="mine") as caught:
            async with open_process(py(TRAPS), stderr=ready.fd):
                await ready.lines()
                raise ValueError("mine")
        return partial_result(caught.value)

    assert on_loop(main).stdout.decode().split() == ["working", "SIGTERM"]


def test_a_block_that_is_left_by_a_signal_passes_it_on(on_loop, ready, py):
    async def main():
        async def talk():
            async with open_process(py(TRAPS), stderr=ready.fd) as program:
                async for line in program.stdout:
                    lines.append(line)

        lines = []
        task = asyncio.create_task(talk())
        await ready.lines()
        while not lines:
            await asyncio.sleep(0)
        task.interrupt("why")
        await asyncio.wait([task])
        return task.ended_by, lines

    ended_by, lines = on_loop(main)
    assert isinstance(ended_by, Interrupt)
    assert lines == [b"working\n"]
    assert partial_result(ended_by).stdout == b"SIGINT\n"


def test_a_block_that_is_left_climbs_the_ladder_to_the_kill(on_loop, ready, py, family):
    async def main():
        async def talk():
            async with open_process(py(DEAF), stderr=ready.fd):
                await asyncio.sleep(600)

        task = asyncio.create_task(talk())
        await ready.lines()
        return await stop(task, ladder=Ladder((Interrupt, 0.1), (Terminate, 0.1), Kill))

    report = on_loop(main)
    assert report.tasks[0].rung == "kill"
    assert family() == []


def test_the_repr_of_a_result_shows_the_beginning_of_its_output_and_how_much_there_is():
    assert "stdout=b'out'," in repr(ProcessResult(("a",), 1, 0, b"out"))
    much = repr(ProcessResult(("a" * 10**6,), 1, 0, b"o" * 10**6, b"\0" * 10**6))
    assert len(much) < 2000 and much.count("... (1000000 bytes)") == 2


def test_what_a_terminal_would_obey_in_the_programs_stderr_is_shown_by_the_error():
    error = ProcessError(ProcessResult(("a",), 1, 3, b"", b"one\n\ttwo\x1b[2J\n"))
    assert str(error).endswith("one\n\ttwo\\x1b[2J")


def test_a_result_pickles():
    result = ProcessResult(("a",), 1, 0, b"out")
    assert pickle.loads(pickle.dumps(result)) == result
    signal_with_it = Terminate("x")
    signal_with_it.__dict__["process_result"] = result
    assert partial_result(pickle.loads(pickle.dumps(signal_with_it))) == result


def test_an_error_without_a_program_has_no_partial_result():
    assert partial_result(ValueError()) is None
