"""PID 1 hears a SIGTERM from the command's first line on, and `import sigtask` costs next to nothing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces of PIDs")]

NEW_PIDS = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
SLOW = """
import time
print("importing", flush=True)
while True:  # as an import does, it comes back to Python now and then
    time.sleep(0.01)
"""


@pytest.fixture
def as_pid_1(start, write, tmp_path):
    """`as_pid_1(source)`: `sigtask run x.py` as PID 1, with that in place of click, and its pid as seen from here."""
    if not shutil.which("unshare") or subprocess.run([*NEW_PIDS, "true"], capture_output=True).returncode:
        pytest.skip("unshare --pid is not allowed here")
    started = []

    def as_pid_1(source):
        write("click.py", source)
        code = f"import os, sys; os.execvp('unshare', {[*NEW_PIDS, sys.executable, '-m', 'sigtask', 'run', 'x.py']!r})"
        src = Path(__file__).parents[2] / "src"
        program = start("-c", code, env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{src}"}).wait_for("importing")
        pid = program.popen.pid
        started.append(int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]))
        return program, started[-1]

    return as_pid_1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_R29_pid_1_that_is_told_while_the_command_itself_is_imported_ends_at_once(as_pid_1, signum):
    program, pid = as_pid_1(SLOW)
    os.kill(pid, signum)
    assert program.wait() == 128 + signum
    assert program.stderr == ""


def test_R29_a_signal_that_is_ignored_stays_so_for_pid_1(start):
    code = """
import os, signal
from sigtask._run import first_act
os.getpid = lambda: 1
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as inherited
first_act.listen()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
signal.raise_signal(signal.SIGTERM)
signal.raise_signal(signal.SIGINT)
"""
    program = start("-c", code)
    assert program.wait() == 128 + signal.SIGINT, program.stderr


TOLD = """
import signal
from sigtask._run import first_act
asked = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
assert asked == {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""


def test_what_is_not_pid_1_keeps_the_default_actions(start):
    program = start("-c", f"{TOLD}\nfirst_act.listen()\nassert asked == {{n: signal.getsignal(n) for n in asked}}")
    assert program.wait() == 0, program.stderr


def test_a_hosted_program_does_not_see_the_handlers_of_the_first_act(start, write):
    write("x.py", f"{TOLD}\nprint('as ever')")
    code = "import os, sys; os.getpid = lambda: 1; sys.argv = ['sigtask', 'run', 'x.py']; "
    code += "from sigtask import cli; cli.first_act.listen(); assert cli.first_act._before; cli.main()"
    program = start("-c", code)
    assert (program.wait(), program.stdout) == (0, "as ever\n"), program.stderr


def test_import_sigtask_and_the_way_to_the_first_act_load_little_else(start):
    code = """
import sys
import signal
before = set(sys.modules)
import sigtask, sigtask.cli
print(*sorted(set(sys.modules) - before))
"""
    program = start("-c", code)
    assert program.wait() == 0, program.stderr
    assert program.stdout.split() == ["sigtask", "sigtask._run", "sigtask._run.first_act", "sigtask.cli"]


SLOW_TO_START = ("importlib.metadata", "pathlib", "tempfile", "json", "inspect", "logging", "socket")


def test_what_takes_time_to_import_is_left_out_until_it_is_needed(start, write):
    write("before.py", "import asyncio, sys, runpy; print(*sys.modules)")
    write("x.py", "import sys; print(*sys.modules)")
    plain, ours = start("before.py"), start("-m", "sigtask", "run", "x.py")
    assert (plain.wait(), ours.wait()) == (0, 0)
    more = set(ours.stdout.split()) - set(plain.stdout.split())
    assert "sigtask" in more
    assert not more & set(SLOW_TO_START)
