"""Starting programs as processes, talking to them by OS signals, and reading what they print while they run."""

import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from launching import Process

APPS = Path(__file__).parent / "apps"


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
