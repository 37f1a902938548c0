"""What `SignalMiddleware` costs a request, beside no middleware and beside the peers.

uvicorn serves a small FastAPI app, and wrk asks. Each is asked in turn, in several rounds, so that a machine that is
busy is busy for all. Prints medians: the requests a second, the 99th percentile, and the processor time that the server
used for a request, the steadiest of the three on a busy machine; and the ratio of that to no middleware's. A peer that
is not installed is left out.

    python bench/services.py [--rounds 5] [--seconds 4] [--path /hello]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

APP = """
import asyncio, os
from fastapi import FastAPI

app = FastAPI()
which = os.environ["WHICH"]
if which == "sigtask":
    from sigtask.asgi import SignalMiddleware
    app.add_middleware(SignalMiddleware)
elif which == "aiofence":
    from aiofence.contrib.starlette import DisconnectMiddleware
    app.add_middleware(DisconnectMiddleware)
elif which == "fastapi_disconnect":
    from fastapi_disconnect import CancelOnDisconnectMiddleware
    app.add_middleware(CancelOnDisconnectMiddleware)

@app.get("/hello")
async def hello():
    return {"hello": "world"}

@app.get("/waits")
async def waits():
    await asyncio.sleep(0.001)
    return {"hello": "world"}
"""
WHICH = ("none", "sigtask", "aiofence", "fastapi_disconnect")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@contextlib.contextmanager
def served(which: str, directory: Path) -> Iterator[tuple[int, int]]:
    """The app with that middleware; gives its port and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    server = subprocess.Popen([*command, "app:app"], cwd=directory, env={**os.environ, "WHICH": which})
    try:
        _wait_for(port, server)
        yield port, server.pid
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    sys.exit("uvicorn did not start")


def ask(port: int, pid: int, path: str, seconds: int) -> tuple[float, float, float]:
    """Requests a second, the 99th percentile in milliseconds, and the server's microseconds for a request."""
    before = _processor_time(pid)
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(said)
    rate, late = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    assert rate is not None, said
    assert late is not None, said
    many = re.search(r"(\d+) requests in", said)
    assert many is not None, said
    return float(rate[1]), float(late[1]) * _UNITS[late[2]], (_processor_time(pid) - before) / int(many[1]) * 1e6


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--path", nargs="*", default=["/hello", "/waits"])
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    known = [which for which in WHICH if which == "none" or importlib.util.find_spec(which)]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "app.py").write_text(APP)
        ports = {which: stack.enter_context(served(which, directory)) for which in known}
        for path in options.path:
            found: dict[str, list[tuple[float, float, float]]] = {which: [] for which in known}
            for _ in range(options.rounds):
                for which in known:
                    found[which].append(ask(*ports[which], path, options.seconds))
            _print(path, found)


def _print(path: str, found: dict[str, list[tuple[float, float, float]]]) -> None:
    print(f"\n{path:20} requests/s   p99 ms   us/request  ratio of these")
    for which, rounds in found.items():
        rate, late, cost = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(bare[2] / ours[2] for ours, bare in zip(rounds, found["none"], strict=True))
        print(f"{which:20} {rate:10.0f}  {late:7.2f}   {cost:10.1f}  {ratio:5.3f}")


if __name__ == "__main__":
    main()
