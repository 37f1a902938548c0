"""Row h: requests per second of a real server's hello-world, under wrk, on stock tasks and on sigtask's.

Both servers are up for the whole of it, each on the same core, wrk on another; they take the load in turn. Besides the
rate, which is what a user sees, each server says how much processor time it has used: that per request is the steadier
of the two on a busy machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator

from counting import ROOT, Failed
from rows import Key, Numbers

SERVERS = ("aiohttp", "uvicorn")
KINDS = ("stock", "sigtask")
CONNECTIONS = 32
NO_WRK = "wrk is not installed (a Debian package of that name): no server is measured."


def wrk() -> bool:
    """Whether there is something to make load with."""
    return shutil.which("wrk") is not None


def measure(exe: str, server: str, loop: str, rounds: int, seconds: int, into: Numbers) -> None:
    """So many rounds of so many seconds for each. Raises: `Failed` when a server does not start or answer."""
    with contextlib.ExitStack() as stack:
        ports = {kind: stack.enter_context(_served(exe, server, loop, kind)) for kind in KINDS}
        for port in ports.values():
            _load(port, 1)
        for i in range(rounds):
            for kind in KINDS if i % 2 else reversed(KINDS):
                before = _cpu(ports[kind])
                rate, requests = _load(ports[kind], seconds)
                used = (_cpu(ports[kind]) - before) / requests
                into.setdefault(Key(server, "rate", loop), {}).setdefault(kind, []).append(rate)
                into.setdefault(Key(server, "cpu", loop), {}).setdefault(kind, []).append(used)


def _load(port: int, seconds: int) -> tuple[float, int]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 30, check=False, preexec_fn=pinned(0)
    )
    rate = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    requests = re.search(r"(\d+) requests in", done.stdout)
    if rate is None or requests is None or "Non-2xx" in done.stdout or not int(requests[1]):
        raise Failed(f"wrk had no answer it could count:\n{done.stdout}{done.stderr}")
    return float(rate[1]), int(requests[1])


def _cpu(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu", timeout=10) as answer:
        return float(answer.read())


@contextlib.contextmanager
def _served(exe: str, server: str, loop: str, kind: str) -> Iterator[int]:
    port = free_port()
    command = [exe, str(ROOT / "bench" / "hello.py"), server, loop, kind, str(port)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=pinned(-1)
    )
    try:
        _wait_until_up(process, port)
        yield port
    finally:
        process.kill()
        process.communicate()


def _wait_until_up(process: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            _cpu(port)
            return
        time.sleep(0.05)
    process.kill()
    raise Failed(f"{process.args!r} did not answer:\n{process.communicate()[1]}")


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(index: int) -> Callable[[], None] | None:
    """What puts a new process on the first (0) or the last (-1) core; nothing where that is not to be had."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[index]})
