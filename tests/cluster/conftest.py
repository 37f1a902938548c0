"""Clusters of real processes on the loopback, and a FIFO on which jobs in them tell what becomes of them."""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

PATIENCE = 90.0
JOBS = str(Path(__file__).parent / "jobs")


class Heard:
    """The lines that have come, and a wait for more."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = str(path)
        self.lines = []
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while some := os.read(self._fd, 65536):
                *lines, self._rest = (self._rest + some).split(b"\n")
                self.lines += [tuple(line.decode().split()) for line in lines]

    async def line(self, *start):
        """The first line that starts with these words, when it has come."""
        loop = asyncio.get_running_loop()
        while not (found := [line for line in self.lines if line[: len(start)] == start]):
            ready = loop.create_future()
            loop.add_reader(self._fd, lambda ready=ready: ready.done() or ready.set_result(None))
            try:
                await ready
            finally:
                loop.remove_reader(self._fd)
            self.read()
        return found[0]

    def close(self):
        os.close(self._fd)


@pytest.fixture
def heard(tmp_path):
    heard = Heard(tmp_path / "fifo")
    yield heard
    heard.close()


@pytest.fixture
def jobs(monkeypatch):
    """The module of jobs; worker processes find it as well."""
    monkeypatch.syspath_prepend(JOBS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([JOBS, *sys.path]))
    return importlib.import_module("cluster_jobs")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Dask logs how its workers come and go; here they come and go all the time."""
    monkeypatch.setenv("DASK_LOGGING__DISTRIBUTED", "critical")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("distributed").setLevel(logging.WARNING)


@pytest.fixture
def on_cluster():
    """`on_cluster(main)` runs `main(client)` with two worker processes, each under its nanny."""
    from distributed import Client, LocalCluster

    def on_cluster(main, workers=2, threads=4, patience=PATIENCE, **options):
        async def bounded():
            async with (
                asyncio.timeout(patience),
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=threads,
                    asynchronous=True,
                    dashboard_address=":0",  # any port: others may have clusters, too
                    worker_dashboard_address=None,
                    **options,
                ) as cluster,
                Client(cluster, asynchronous=True) as client,
            ):
                return await main(client)

        return asyncio.run(bounded())

    return on_cluster


def is_alive(pid):
    """Whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(name="is_alive")
def _is_alive():
    return is_alive


@pytest.fixture
def started():
    """`started(*words)` starts a program of Dask's in a session of its own, all of which ends with the test."""
    running = []

    def started(*words):
        command = [sys.executable, "-m", *words]
        running.append(program := subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL))
        return program

    yield started
    for program in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
