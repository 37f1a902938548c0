"""A process that is ended by force takes the processes along that it has started, and says so (R30)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from sigtask._run.children import children, waiting_for

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc"),
]

SRC = Path(__file__).parents[2] / "src"
LADDER = ("--ladder", "terminate=200ms,kill=200ms")
CHILD = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(f"child {os.getpid()}\\n", end="", flush=True)
"""
SLEEPER = CHILD + "time.sleep(600)"
WITH_A_CHILD = CHILD + f"subprocess.run([sys.executable, '-c', {SLEEPER!r}])"
MULTIPROCESSING = """
import asyncio, multiprocessing, os, signal, sys, time

def work():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"child {os.getpid()}\\n", end="", flush=True)
    time.sleep(600)

async def main():
    print("ready", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for _ in range(2):
        context.Process(target=work, daemon=True).start()
    asyncio.run(main())
"""
STARTS = """
import asyncio, subprocess, sys, time

async def main():
    print("ready", flush=True)
    subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=len(sys.argv) > 2)
    time.sleep(600)

asyncio.run(main())
"""
LEAVES = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
"""
PARENT = f"""
import signal, subprocess, sys

signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
print("ready", flush=True)
while True:
    subprocess.run([sys.executable, "-c", {SLEEPER!r}])  # and again, when it has ended
"""
SHARES = """
import asyncio, multiprocessing, time
from multiprocessing.shared_memory import SharedMemory

def work():
    print("working", flush=True)
    time.sleep(600)

async def main():
    print("ready", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    print("memory", SharedMemory(create=True, size=1000).name, flush=True)
    multiprocessing.get_context("spawn").Process(target=work).start()
    asyncio.run(main())
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(there, *args):
    """Whether that comes to be false; the kernel and the tracker need a moment."""
    end = time.monotonic() + 10
    while there(*args) and time.monotonic() < end:
        time.sleep(0.01)
    return not there(*args)


@pytest.fixture
def pids():
    """`pids(process, count)` waits until it and so many children are ready; what is left of these is ended."""
    found = []

    def pids(process, count):
        process.wait_for("ready").wait_for("child ", count=count)
        found.extend(map(int, re.findall(r"child (\d+)", process.stdout)))
        return found

    yield pids
    for pid in found:
        with contextlib.suppress(OSError):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def forced(process):
    """Have it ended by force; gives what it says of that."""
    process.signal(signal.SIGTERM)
    assert process.wait() == 143, process.stderr
    return process.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_r30_a_forced_end_takes_the_workers_of_multiprocessing_along(sigtask_run, write, pids, method):
    process = sigtask_run(*LADDER, write("pool.py", MULTIPROCESSING), method)
    workers = pids(process, 2)
    said = forced(process)
    assert [pid for pid in workers if not gone(alive, pid)] == []
    assert all(f"{pid} (python" in said for pid in workers), said


def test_r30_a_forced_end_takes_child_programs_and_their_children_along(sigtask_run, write, pids):
    process = sigtask_run(*LADDER, write("starts.py", STARTS), WITH_A_CHILD)
    child, grandchild = pids(process, 2)
    said = forced(process)
    assert gone(alive, child)
    assert gone(alive, grandchild)
    assert "took 2 child processes along: " in said


def test_r30_a_child_in_a_session_of_its_own_is_spared(sigtask_run, write, pids):
    process = sigtask_run(*LADDER, write("starts.py", STARTS), WITH_A_CHILD, "daemon")
    daemon, its_child = pids(process, 2)
    process.signal(signal.SIGTERM)
    assert process.popen.wait(30) == 143  # its output stays open, as long as these have it
    assert alive(daemon)
    assert alive(its_child)
    os.killpg(daemon, signal.SIGKILL)
    assert "took" not in process.stderr


def test_r30_who_leads_the_session_takes_orphans_along_as_well(launch, write, pids, tmp_path):
    """As pid 1 of a container does: all there is in its session comes from it."""
    code = "import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = ("-m", "sigtask", "run", *LADDER, write("starts.py", STARTS), LEAVES)
    process = launch("-c", code, *command, cwd=tmp_path)
    (orphan,) = pids(process, 1)
    forced(process)
    assert gone(alive, orphan)


def test_r30_a_parent_without_a_loop_takes_its_children_along_and_starts_none_anew(sigtask_run, write, pids, tmp_path):
    process = sigtask_run(*LADDER, "--report", "report.json", write("parent.py", PARENT))
    (child,) = pids(process, 1)
    said = forced(process)
    assert "told" in process.stdout
    assert gone(alive, child)
    assert process.stdout.count("child") == 1
    assert f"took 1 child process along: {child} (python" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["pid"] for row in report["children"]] == [child]
    assert report["children"][0]["command"].startswith("python")


def test_r30_the_resource_tracker_is_left_to_clean_up(sigtask_run, write):
    process = sigtask_run(*LADDER, write("shares.py", SHARES)).wait_for("working").wait_for("ready")
    memory = Path("/dev/shm") / re.search(r"memory (\S+)", process.stdout)[1]
    assert memory.exists()
    forced(process)
    assert gone(memory.exists)


def test_what_a_process_waits_for_can_be_said_in_a_line(start, tmp_path):
    assert os.getpid() not in [child.pid for child in children()]
    process = start("-c", SLEEPER).wait_for("child")
    assert f"{process.popen.pid} (python" in waiting_for()
    process.end()
    assert str(process.popen.pid) not in waiting_for()


def test_r30_without_a_proc_the_children_of_multiprocessing_are_known(sigtask_run, write, pids):
    """As on macOS."""
    write("sitecustomize.py", "from sigtask._run import children\nchildren._PROC = '/nowhere'\n")
    process = sigtask_run(*LADDER, write("pool.py", MULTIPROCESSING), "fork", env={"PYTHONPATH": f"{SRC}{os.pathsep}."})
    workers = pids(process, 2)
    said = forced(process)
    assert [pid for pid in workers if not gone(alive, pid)] == []
    assert "took 2 child processes along" in said
