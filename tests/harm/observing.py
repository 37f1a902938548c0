"""One program: started, told, and observed until it has ended, or has been ended at a bound."""

from __future__ import annotations

import itertools
import os
import pty
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client import Client
from stimuli import CTRL_C, Stimulus

BOUND = 7.5
"""Seconds after the first signal at which what still runs is killed: well over the ladder's."""
PATIENCE = 30.0
"""Seconds for a start, and for a program that ends by itself."""
READY = "ready"


@dataclass(frozen=True)
class Seen:
    """What a program did. `status` as in `Popen.returncode`, `None` where it had to be killed at the bound."""

    lines: tuple[str, ...]
    status: int | None
    took: float
    """From the first signal (or, without one, from `ready`) to the end."""
    ready: bool = True
    children: tuple[str, ...] = ()
    """The processes that it left behind."""
    port: bool = False
    """Whether its port is still open."""
    files: tuple[str, ...] = ()
    """What it left in the folder for temporary files."""
    stderr: tuple[str, ...] = ()

    @property
    def forced(self) -> bool:
        """Whether the watchdog has ended it by force: then it shows where every thread stood."""
        return any("most recent call first" in line for line in self.stderr)


@dataclass
class Start:
    """How a program is started."""

    command: list[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ignores: tuple[str, ...] = ()
    """Names of signals that are ignored from the start, such as `INT`."""
    serves: str = ""
    """A path that a client opens before the stimulus."""


class Running:
    """A program in a session of its own, with all that it prints."""

    def __init__(self, start: Start, stimulus: Stimulus) -> None:
        self.start, self.mark, self.port = start, uuid.uuid4().hex, _free_port()
        self.temporary = tempfile.TemporaryDirectory(prefix="harm-", ignore_cleanup_errors=True)
        self.news = threading.Condition()
        self.out = self.err = b""
        self.master, terminal = pty.openpty() if stimulus.on_terminal else (None, None)
        pipe = subprocess.PIPE
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            self._command(terminal), cwd=start.folder, env=self._environment(), stdin=pipe, stdout=pipe, stderr=pipe,
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        sources: list[tuple[str, Any]] = [("out", self.process.stdout), ("err", self.process.stderr)]
        if terminal is not None:
            self.held = terminal  # without it, a read from the other side fails before the program has opened it
            sources.append(("err", os.fdopen(self.master, "rb", 0, closefd=False)))
        self.readers = [threading.Thread(target=self._read, args=source, daemon=True) for source in sources]
        for reader in self.readers:
            reader.start()

    def _command(self, terminal: int | None) -> list[str]:
        """A shell sets the scene and becomes the program: as the leader of a session it makes the terminal its own."""
        script = "".join(f"trap '' {name}; " for name in self.start.ignores) + 'exec "$@"'
        if terminal is not None:
            name = os.ttyname(terminal)
            script += f" <{name} 2>{name}"
        return ["sh", "-c", script, "sh", *(word.replace("{port}", str(self.port)) for word in self.start.command)]

    def _environment(self) -> dict[str, str]:
        ours = {"HARM_MARK": self.mark, "PORT": str(self.port), "TMPDIR": self.temporary.name}
        unset = ("PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHONUNBUFFERED", "PYTHONWARNINGS")
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        fixed = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHON_COLORS": "0"}
        return {**inherited, **fixed, **ours, **self.start.env}

    def _read(self, name: str, stream: Any) -> None:
        while data := _some(stream):
            with self.news:
                setattr(self, name, getattr(self, name) + data)
                self.news.notify_all()
        with self.news:
            self.news.notify_all()

    def lines(self, name: str = "out") -> list[str]:
        """The lines printed so far."""
        return getattr(self, name).decode(errors="replace").replace("\r\n", "\n").splitlines()

    def wait_ready(self) -> bool:
        """Until it has said that it is, and sleeps; False where it ends without."""
        end = time.monotonic() + PATIENCE
        with self.news:
            while READY not in self.lines() and time.monotonic() < end and self.readers[0].is_alive():
                self.news.wait(0.1)
        return READY in self.lines()

    def settle(self) -> None:
        """Until it waits for something: what comes behind the line `ready` is only about to be done."""
        time.sleep(0.15)
        end = time.monotonic() + 0.5
        while _state(self.process.pid) == "R" and time.monotonic() < end:
            time.sleep(0.02)

    def tell(self, stimulus: Stimulus) -> None:
        """Do all that to it, as long as it lives."""
        for step in stimulus.steps:
            if isinstance(step, float):
                self.wait(step)
            elif self.process.poll() is not None:
                return
            elif step == CTRL_C:
                os.write(self.master or 0, b"\x03")
            else:
                self.process.send_signal(int(step))

    def wait(self, seconds: float) -> int | None:
        """Its status, `None` where it has not ended by then."""
        try:
            return self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def left(self) -> dict[int, str]:
        """Its descendants that live, also those that it is not the parent of: they have inherited its mark."""
        return {pid: name for pid, name in _marked(self.mark).items() if pid != self.process.pid}

    def close(self) -> None:
        """Kill what is left of it, and read what it has printed to the last byte."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in self.left():
            _kill(pid)
        for reader in self.readers[:2]:
            reader.join(2)
        if self.master is not None:
            os.close(self.held)
            self.readers[2].join(2)
            os.close(self.master)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.temporary.cleanup()


def observe(start: Start, stimulus: Stimulus) -> Seen:
    """Run it, do that to it, and see. It and all that it has started is gone then."""
    running = Running(start, stimulus)
    client = Client(running.port, start.serves)
    try:
        ready = running.wait_ready() and client.open(PATIENCE)
        if ready and stimulus.steps:
            running.settle()
        began = time.monotonic()
        if ready:
            running.tell(stimulus)
        bound = (BOUND if stimulus.steps else PATIENCE) if ready else 1.0
        status = running.wait(began + bound - time.monotonic())
        took = time.monotonic() - began
        left = _left_for_good(running)
        port, files = _is_open(running.port), tuple(sorted(os.listdir(running.temporary.name)))
    finally:
        running.close()
        client.close()
    return Seen(tuple(running.lines()), status, took, ready, left, port, files, stderr=tuple(running.lines("err")))


def _left_for_good(running: Running) -> tuple[str, ...]:
    """What lives on a second and a half after the program has ended."""
    if running.process.returncode is None:
        return ()  # it lives itself
    end = time.monotonic() + 1.5
    while (left := running.left()) and time.monotonic() < end:
        time.sleep(0.05)
    return tuple(sorted(left.values()))


def _some(stream: Any) -> bytes:
    try:
        return stream.read(65536) or b""
    except OSError:  # a terminal that nobody has open any more
        return b""


def _marked(mark: str) -> dict[int, str]:
    """The processes with that mark in their environment."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if mark.encode() in Path(f"/proc/{entry}/environ").read_bytes() and _state(int(entry)) not in "ZX":
                    found[int(entry)] = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
            except OSError:
                continue  # gone meanwhile, or not ours
    return found


def _state(pid: int) -> str:
    """`S` where it waits, `R` where it runs, `X` where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


_PORTS = itertools.count(random.randrange(10_000, 28_000))
"""Below the ports that the kernel gives to clients, and each for one program only."""


def _free_port() -> int:
    for port in _PORTS:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError


def _is_open(port: int) -> bool:
    """Whether anybody listens there."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(words[1].endswith(f":{port:04X}") and words[3] == "0A" for words in sockets)
