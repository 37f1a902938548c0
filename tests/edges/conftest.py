"""Real loops, and a look into /proc for what a test has left behind."""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import select
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import sigtask

KINDS = ["asyncio"] + (["uvloop"] if importlib.util.find_spec("uvloop") else [])
PATIENCE = 30.0
SRC = str(Path(sigtask.__file__).parents[1])


def factory(kind):
    if kind == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


@pytest.fixture(params=KINDS)
def on_loop(request):
    """`on_loop(main)` runs a coroutine function on a real loop, of each kind; nothing may be complained about."""

    def on_loop(main):
        complaints = []
        with asyncio.Runner(loop_factory=factory(request.param)) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
            sigtask.install(loop)

            async def bounded():
                async with asyncio.timeout(PATIENCE):
                    return await main()

            result = runner.run(bounded())
        assert not complaints, complaints
        return result

    on_loop.kind = request.param
    return on_loop


def children():
    """The children of this process that /proc shows, zombies too: pid to state."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid():
                found[int(path.parent.name)] = state
    return found


@pytest.fixture
def no_child_left():
    """The test leaves no child of this process behind, alive or dead."""
    before = children()
    yield
    left = {pid: state for pid, state in children().items() if pid not in before}
    assert not left, left


@pytest.fixture
def family(monkeypatch):
    """What the test starts carries a mark in its environment; `family()` are the living processes that do."""
    mark = f"FAMILY_{uuid.uuid4().hex}"
    monkeypatch.setenv(mark, "1")

    def family():
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if int(path.parent.name) != os.getpid() and mark.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    return family


def is_there(pid):
    """Whether /proc shows it, as a zombie too."""
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(name="is_there")
def _is_there():
    return is_there


@pytest.fixture
def program(tmp_path):
    """`program(code, *args, path=[...])` starts it as a script, with pipes; what still runs is ended with the test."""
    started = []

    def program(code, *args, path=()):
        script = tmp_path / "program.py"
        script.write_text(code)
        command = [sys.executable, "-W", "error", str(script), *args]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([SRC, *path])}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env))
        return started[-1]

    yield program
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(params=KINDS)
def loop_name(request):
    return request.param


@pytest.fixture
def wait_for_end():
    """`wait_for_end(pids)` returns when these processes have ended, whoever's children they are; zombies have."""

    def wait_for_end(pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError), open(os.pidfd_open(pid)) as end:
                assert select.select([end], [], [], PATIENCE)[0], f"process {pid} is still there"

    return wait_for_end


def _set(future):
    if not future.done():
        future.set_result(None)


class Ready:
    """A pipe on which programs say that they are ready: give `fd` to one, as its stderr for example."""

    def __init__(self):
        self._read, self.fd = os.pipe()
        os.set_blocking(self._read, False)
        self._text = b""

    async def lines(self, count=1):
        """The first so many lines, when they have come."""
        loop = asyncio.get_running_loop()
        while self._text.count(b"\n") < count:
            some = loop.create_future()
            loop.add_reader(self._read, _set, some)
            try:
                await some
            finally:
                loop.remove_reader(self._read)
            self._text += os.read(self._read, 65536)
        return self._text.decode().splitlines()[:count]

    def close(self):
        os.close(self._read)
        os.close(self.fd)


class Fifo(Ready):
    """The same for who knows its `path` only: a function in a worker process."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = str(path)
        self._read = self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._text = b""

    def wait(self, count):
        """As `lines`, where there is no loop."""
        while self._text.count(b"\n") < count:
            assert select.select([self._read], [], [], PATIENCE)[0], f"{count} lines will not come: {self._text}"
            self._text += os.read(self._read, 65536)

    def close(self):
        os.close(self.fd)


@pytest.fixture
def fifo(tmp_path):
    fifo = Fifo(tmp_path / "fifo")
    yield fifo
    fifo.close()


@pytest.fixture
def jobs(monkeypatch):
    """The module of functions for worker processes, which find it on their `sys.path` as well."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "jobs"))
    return importlib.import_module("process_jobs")


@pytest.fixture
def ready():
    ready = Ready()
    yield ready
    ready.close()


@pytest.fixture
def py():
    """`py(code)` is the command that runs a piece of Python, isolated and fast."""
    return lambda code: [sys.executable, "-I", "-S", "-u", "-c", code]
