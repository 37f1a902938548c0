"""The parameter sweep on a cluster: stopped by Ctrl-C half-way, it keeps what it has and goes on from there."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[2]
VALUES, STEPS, STRIDE = 12, 250_000, 5_000
PATIENCE = 60.0
STRIDES = [(begin, begin + STRIDE) for begin in range(0, STEPS, STRIDE)]

pytestmark = pytest.mark.os


class Sweep:
    """The program, in a process group of its own, as a shell starts it."""

    def __init__(self, file, *options):
        numbers = {"values": VALUES, "steps": STEPS, "stride": STRIDE, "workers": 2}
        flags = [f"--{name}={number}" for name, number in numbers.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-u", ROOT / "examples" / "sweep.py", *flags, f"--file={file}", *options],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        self.said = ""

    def ctrl_c(self):
        """What a terminal does: every process in the foreground gets it, the workers as well."""
        os.killpg(self.process.pid, signal.SIGINT)

    def until(self, text):
        """Read what it says up to the line with this text."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline().decode()) and text not in line:
            self.said += line
        self.said += line
        assert line, self.said

    def end(self, meanwhile=lambda: None, every=PATIENCE):
        """Wait for its end, and call `meanwhile` now and then if that takes long; gives the exit status."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                rest, _ = self.process.communicate(timeout=every)
                break
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, self.said
                meanwhile()
        self.said += rest.decode()
        return self.process.returncode

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def sweep(tmp_path):
    started = []

    def sweep(name, *options):
        started.append(Sweep(tmp_path / name, *options))
        return started[-1]

    yield sweep
    for one in started:
        one.kill()


@pytest.fixture
def example(monkeypatch):
    """The program's own functions."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("sweep")


class Log:
    """The workers' log. It is a pipe: when it is full, they can begin no more strides until it is read."""

    def __init__(self, fifo):
        self.path, self._fd, self._text = fifo.path, fifo.fd, b""

    def shrink(self):
        """Let it hold no more than a page: a hundred strides or so."""
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, 4096)

    def read(self):
        """What is in it now."""
        with contextlib.suppress(BlockingIOError):
            self._text += os.read(self._fd, 65536)

    def wait(self, enough):
        """Read it until that is true of its lines."""
        deadline = time.monotonic() + PATIENCE
        while not enough(self.lines):
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self._fd], [], [], left)[0] and left, f"that is all: {self.lines[-20:]}"
            self.read()

    @property
    def lines(self):
        return strides(self._text.decode())


@pytest.fixture
def log(fifo):
    return Log(fifo)


def strides(text):
    """What a log says was computed: (r, from, to)."""
    return [(float(r), int(begin), int(end)) for r, begin, end, _ in map(str.split, text.splitlines())]


def kept(file):
    """The rows of a file of results, in order."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def at_a_stretch(example, r):
    """What an uninterrupted computation gives."""
    x, total = example.advance(r, example.START, 0.0, STEPS)
    return {"steps": STEPS, "x": x, "total": total}


def last(rows):
    """The last row for each value; where it began is of no matter."""
    return {row["r"]: {name: row[name] for name in ("steps", "x", "total")} for row in rows}


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a pipe of one page, as Linux has them")
def test_a_sweep_stopped_half_way_goes_on_where_it_was_and_computes_nothing_twice(sweep, log, tmp_path, example):
    log.shrink()
    first = sweep("kept", f"--log={log.path}")
    log.wait(lambda lines: len(lines) > 2 * len(STRIDES))  # two workers: one has finished its first value
    first.ctrl_c()
    first.until("SIGINT: the jobs are asked for what they have")
    log.read()
    assert first.end(meanwhile=log.read, every=2) == 130, first.said
    log.read()

    rows = kept(tmp_path / "kept")
    done = [row["r"] for row in rows if row["steps"] == STEPS]
    assert 0 < len(done) < VALUES, first.said
    computed = collections.Counter(r for r, _, _ in log.lines)
    assert {row["r"]: row["steps"] for row in rows} == {r: count * STRIDE for r, count in computed.items()}
    assert "(reason: SIGINT)" in first.said
    assert (
        f"kept: {len(done)} values, and {len(rows) - len(done)} in part; not begun: {VALUES - len(rows)}" in first.said
    )

    again = sweep("kept", f"--log={tmp_path / 'log'}")
    assert again.end() == 0, again.said
    assert again.said.startswith(f"{len(done)} of {VALUES} values are there")
    whole = {r: at_a_stretch(example, r) for r in example.values_of(VALUES)}
    assert last(kept(tmp_path / "kept")) == whole
    both = collections.Counter(log.lines + strides((tmp_path / "log").read_text()))
    assert both == {(r, begin, end): 1 for r in whole for begin, end in STRIDES}


def test_a_second_ctrl_c_ends_the_job_that_does_not_listen_and_the_others_work_is_kept(sweep, log, tmp_path):
    long = 1_000_000_000
    running = sweep("kept", "--stubborn", f"--steps={long}", f"--log={log.path}")
    log.wait(lambda lines: (3.4, 0, 0) in lines and len(lines) > 10)
    running.ctrl_c()
    running.until("SIGINT: the jobs are asked for what they have")
    running.until(f"of {long:,} steps")  # one has listened
    time.sleep(0.6)  # two within half a second count as one
    running.ctrl_c()
    assert running.end(meanwhile=log.read, every=2) == 130, running.said
    log.read()

    assert "SIGINT: the jobs that are left are told to end" in running.said
    assert "r = 3.4000: ended by Terminate, what it had done is lost" in running.said
    rows = last(kept(tmp_path / "kept"))
    computed = collections.Counter(r for r, begin, end in log.lines if end > begin)
    assert rows, running.said
    assert {r: row["steps"] for r, row in rows.items()} == {r: computed[r] * STRIDE for r in rows}


def test_a_line_that_a_crash_has_cut_short_is_taken_away(example, tmp_path):
    book = example.Book(tmp_path / "kept", STEPS)
    book.keep(3.5, example.State(10, 0.25, -1.5))
    book.close()
    with (tmp_path / "kept").open("a") as file:
        file.write('{"r": 3.6, "from": 0, "st')
    book = example.Book(tmp_path / "kept", STEPS)
    book.keep(3.7, example.State(20, 0.5, -2.5))
    book.close()
    assert last(kept(tmp_path / "kept")) == {r: book.state(r)._asdict() for r in (3.5, 3.7)}
    assert book.state(3.6) == example.State()
