"""Programs that can be looked at: in a process of their own, with a folder for sockets that is the test's alone."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PATIENCE = 30.0
posix = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")


@pytest.fixture
def runtime(monkeypatch):
    """The folder that XDG_RUNTIME_DIR names: short, as a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


class Running:
    """A program that has said `ready`, and what it says after that. Ended by its own pid."""

    def __init__(self, popen):
        self.popen = popen
        self.pid = popen.pid
        self.lines = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def wait_for(self, line):
        with self._news:
            assert self._news.wait_for(lambda: line in self.lines, PATIENCE), self.lines
        return self

    def wait_for_start(self, words):
        """Until it has said a line that begins so."""
        with self._news:
            said = self._news.wait_for(lambda: any(line.startswith(words) for line in self.lines), PATIENCE)
            assert said, self.lines

    def wait(self):
        self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return self.popen.returncode

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.wait()
        self.popen.stdout.close()


@pytest.fixture
def program(runtime, tmp_path):
    """`program(code)` runs it by `sigtask run --control`, and waits until it prints `ready`."""
    started = []

    def program(code, *words, command=("-m", "sigtask", "run", "--quiet", "--control"), ready="ready", **env):
        file = tmp_path / f"program_{len(started)}.py"
        file.write_text(textwrap.dedent(code), "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1", **env}
        popen = subprocess.Popen(
            [sys.executable, *command, *words, str(file)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(Running(popen))
        return started[-1].wait_for(ready) if ready else started[-1]

    yield program
    for one in started:
        one.end()


@pytest.fixture
def sigtask(runtime, tmp_path):
    """`sigtask("ps", pid)` gives what the command has said, and its status."""

    def sigtask(*words, **env):
        environment = {**os.environ, "PYTHONPATH": str(SRC), "COLUMNS": "200", **env}
        command = [sys.executable, "-m", "sigtask", *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return sigtask


class Raw:
    """A client without manners."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self._connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")

    def _connect(self, path):
        for _ in range(1000):
            try:
                return self.socket.connect(path)
            except BlockingIOError:  # very many are before us
                time.sleep(0.01)
        raise TimeoutError

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")
        return self

    def line(self):
        words = self.file.readline()
        assert words, "the process has hung up"
        return json.loads(words)

    def answer(self):
        """Its lines, to the last one."""
        lines = []
        while not lines or not ({"done", "error"} & lines[-1].keys()):
            lines.append(self.line())
        return lines

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()


@pytest.fixture
def raw(runtime):
    """`raw(pid)` connects to that process."""
    made = []

    def raw(pid):
        made.append(Raw(runtime / "sigtask" / f"{pid}.sock"))
        return made[-1]

    yield raw
    for one in made:
        one.close()


@pytest.fixture(name="until")
def _until():
    """Wait for what another process does, of which nobody tells."""

    def until(condition, within=PATIENCE):
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, "it has not come"
            time.sleep(0.01)

    return until
