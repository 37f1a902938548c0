"""Servers with worker processes, unmodified, under `sigtask run` and without it (R29, R30)."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc"),
]

LADDER = ("--ladder", "drain=2s,terminate=1s,kill=500ms")
TOTAL = 3.5
COMMANDS = {
    "uvicorn": "uvicorn workers_app:app --workers 2 --port {port}",
    "uvicorn-reload": "uvicorn workers_app:app --reload --port {port}",
    "gunicorn": "gunicorn workers_app:app -w 2 -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port}",
    "hypercorn": "hypercorn workers_app:app -b 127.0.0.1:{port}",
    "hypercorn-2": "hypercorn workers_app:app -w 2 -b 127.0.0.1:{port}",
}
WORKERS = {"uvicorn-reload": 1, "hypercorn": 1}
NEEDED = {"gunicorn": "uvicorn_worker"}


class Server:
    """One server with its workers, which carry a mark in their environment."""

    def __init__(self, launch, apps, folder, name, *ours):
        for package in (name.partition("-")[0], NEEDED.get(name, "asyncio")):
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")
        self.mark = f"MARK_{uuid.uuid4().hex}"
        self.port = _free_port()
        self.count = WORKERS.get(name, 2)
        words = ("-m", *COMMANDS[name].format(port=self.port).split())
        env = {self.mark: "1", "HOME": str(folder)}  # gunicorn puts a socket there
        self.process = launch(*ours, *words, cwd=apps, env=env)
        self.process.wait_for("up ", count=self.count)

    @property
    def workers(self):
        return [int(pid) for pid in re.findall(r"up (\d+)", self.process.stdout)]

    def ask(self):
        """The answer. hypercorn says that it is up before it listens."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30).read().decode()
        raise TimeoutError(self.process.stderr)

    def send(self, path):
        """Ask, and do not wait for an answer."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return connection

    def stop(self, signum=signal.SIGTERM):
        """The exit status, and the seconds it took."""
        began = self.process.signal(signum)
        return self.process.wait(), time.monotonic() - began

    def left(self):
        """What is there still of it, after a moment in which the kernel ends what is to end."""
        end = time.monotonic() + 5
        while (found := _marked(self.mark)) and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def has_left_its_port(self):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return probe.connect_ex(("127.0.0.1", self.port)) != 0


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _marked(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.fixture
def serve(launch, apps, tmp_path):
    """`serve(name)` starts that server under the command, with `ours=False` without; what is left of it is ended."""
    started = []

    def serve(name, *options, ours=True):
        report = ("--report", tmp_path / "report.json")
        words = ("-m", "sigtask", "run", *LADDER, *report, *options) if ours else ()
        started.append(Server(launch, apps, tmp_path, name, *words))
        return started[-1]

    yield serve
    for server in started:
        for pid in _marked(server.mark):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("name", COMMANDS)
def test_r29_requests_are_answered_by_our_tasks_and_the_server_ends_as_it_does_without_us(serve, name):
    server, bare = serve(name), serve(name, ours=False)
    assert {server.ask().split()[0] for _ in range(3)} == {"sigtask"}
    assert bare.ask().split()[0] == "_asyncio"
    status, seconds = server.stop()
    assert status == bare.stop()[0]
    assert seconds < TOTAL
    closed = [each.process.stdout.count("closed") for each in (server, bare)]
    if name == "hypercorn-2":  # its parent sends a SIGTERM to the others as soon as the first of its workers has ended
        assert min(closed) >= 1
    else:
        assert closed == [server.count] * 2
    assert server.left() == []
    assert server.has_left_its_port()


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn", "hypercorn-2"])
def test_r29_a_worker_with_a_handler_that_swallows_ends_by_its_own_ladder(serve, tmp_path, a_second, name):
    server = serve(name)
    with server.send("/swallow"):
        server.process.wait_for("swallowing")
        _, seconds = server.stop()
    assert seconds < TOTAL + a_second
    assert server.left() == []
    assert server.has_left_its_port()
    reports = [path.read_text() for path in tmp_path.glob("report.*.json")]
    assert any("Terminate at workers_app.py" in report for report in reports)


def test_r30_a_server_that_waits_for_a_frozen_worker_is_ended_and_takes_it_along(serve, a_second):
    server = serve("gunicorn", "--ladder", "drain=500ms,terminate=500ms,kill=500ms")
    os.kill(server.workers[0], signal.SIGSTOP)
    status, seconds = server.stop()
    assert status == 128 + signal.SIGTERM
    assert seconds < 1.5 + a_second
    assert f"took 1 child process along: {server.workers[0]} (python" in server.process.stderr
    assert server.left() == []
    assert server.has_left_its_port()
