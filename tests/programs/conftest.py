"""Starting programs as processes, talking to them by OS signals, and reading what they print while they run."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SRC = HERE.parent.parent / "src"
APPS = HERE / "apps"
PATIENCE = 30.0  # how long a test waits before it says that what it waits for will not come


class Process:
    """A process whose output is collected as it comes. Ended, if it must be, by its own pid."""

    def __init__(self, command, cwd, env=None):
        environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1", **(env or {})}
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        self.killed = False
        self._news = threading.Condition()
        self._text = {"stdout": "", "stderr": ""}
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._text]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        with getattr(self.popen, name) as stream:
            while data := os.read(stream.fileno(), 65536):
                with self._news:
                    self._text[name] += data.decode(errors="replace")
                    self._news.notify_all()

    @property
    def stdout(self):
        return self._text["stdout"]

    @property
    def stderr(self):
        return self._text["stderr"]

    def wait_for(self, text, stream="stdout", count=1):
        """Until the process has printed `text` so many times, in whole lines; it fails the test when it ends without.

        A signal sent before the end of the line may be handled between the text and its newline.
        """

        def lines():
            text = self._text[stream]
            return text[: text.rfind("\n") + 1]

        with self._news:
            told = self._news.wait_for(lambda: lines().count(text) >= count, PATIENCE)
        assert told, f"no {text!r} in {stream}:\n{self.stdout}\n{self.stderr}"
        return self

    def signal(self, signum):
        """Send it; gives the moment."""
        at = time.monotonic()
        self.popen.send_signal(signum)
        return at

    def wait(self, within=PATIENCE):
        """The exit status, all output having been read; fails the test if it does not end in time."""
        self.popen.wait(within)
        for reader in self._readers:
            reader.join(PATIENCE)
        return self.popen.returncode

    def still_runs_after(self, seconds):
        """Whether it does; then it is ended, bounded, by SIGKILL."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            return True
        return False

    def end(self):
        if self.popen.poll() is None:
            self.killed = True
            self.popen.send_signal(signal.SIGKILL)
        self.wait()


@pytest.fixture(scope="session")
def a_second():
    """R30's second after the ladder, and what a busy machine adds; faulthandler's timer would come after three."""
    return 2.5


@pytest.fixture(scope="session")
def apps():
    """The directory of the programs that tests run."""
    return APPS


@pytest.fixture(scope="module")
def launch():
    """`launch(*words, cwd=, env=)` runs `python *words`; what still runs at the end of the module is ended."""
    started = []

    def launch(*words, cwd, env=None):
        started.append(Process([sys.executable, *map(str, words)], cwd, env))
        return started[-1]

    yield launch
    for process in started:
        process.end()


@pytest.fixture
def start(launch, tmp_path):
    """`start(*words)` runs `python *words` in a directory of its own; it is ended with the test."""
    started = []

    def start(*words, cwd=tmp_path, env=None):
        started.append(launch(*words, cwd=cwd, env=env))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def sigtask_run(start):
    """`sigtask_run(*words)` runs `sigtask run *words`."""
    return lambda *words, **kwargs: start("-m", "sigtask", "run", *words, **kwargs)


@pytest.fixture
def write(tmp_path):
    """`write(name, source)` makes a file in the program's directory."""

    def write(name, source):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return path

    return write


# -- one program, run in several ways ----------------------------------------------------------------------------------


HEAD = """
import asyncio, atexit, os, queue, signal, subprocess, sys, threading, time
if os.environ["WAY"] == "own":
    import sigtask
    asyncio.run = sigtask.run
elif os.environ["WAY"] == "uvloop":
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

def say(*words):
    print(*words, flush=True)

def send(signum):  # a handler of Python's has run when this returns
    os.kill(os.getpid(), signum)
    time.sleep(0)
"""
RUN = ("-m", "sigtask", "run", "-q")
WAYS = {
    "plain": ("program.py",),
    "own": ("program.py",),  # sigtask.run() in the place of asyncio.run()
    "command": (*RUN, "program.py"),
    "all at once": (*RUN, "--all-at-once", "program.py"),
    "module": (*RUN, "-m", "program"),
    "function": (*RUN, "program:main"),
    "uvloop": ("program.py",),
    "command, uvloop": (*RUN, "--loop", "uvloop", "program.py"),
}


@dataclass
class Outcome:
    """What a program printed, and its wait status; `stderr` is not compared."""

    status: int
    lines: list[str]
    stderr: str = field(compare=False)


class Outcomes(dict):
    """The outcome of each way."""

    def the_same(self):
        """Checks that each is what it is under plain Python, and gives that."""
        plain = self["plain"]
        assert self == dict.fromkeys(self, plain), [outcome.stderr for outcome in self.values()]
        return plain


@pytest.fixture
def play(start, write):
    """`play(source, ways, *steps, ladder=, words=)` runs a program in each of these ways; gives the outcome of each.

    The program says `ready`; then come the steps: signals to send, seconds to wait, lines to wait for.
    """

    def play(source, ways, *steps, ladder="drain=1s,terminate=20s,kill=1s", words=()):
        write("program.py", HEAD + textwrap.dedent(source))
        environment = {"SIGTASK_LADDER": ladder}
        started = {way: start(*WAYS[way], *words, env={**environment, "WAY": way}) for way in ways}
        for step in ("ready\n", *steps):
            if isinstance(step, float):
                time.sleep(step)
            for process in started.values():
                if isinstance(step, str):
                    process.wait_for(step)
                elif not isinstance(step, float):
                    process.signal(step)
        return Outcomes(
            (way, Outcome(process.wait(), process.stdout.splitlines(), process.stderr))
            for way, process in started.items()
        )

    return play
