"""A parameter sweep on a Dask cluster that can be stopped at any moment and goes on where it was.

    python examples/sweep.py                 stop it with Ctrl-C, and start it again
    python examples/sweep.py --stubborn      with one more job, which has no end and does not listen

It computes the Lyapunov exponent of the logistic map x -> r x (1 - x) for many values of r: below 0 the map settles
into a cycle, above 0 it is chaotic. Each value of r is a job for one of the workers of a cluster on this machine.

What a Ctrl-C does, by the rungs of the ladder:

    Drain        a job that runs gives what it has so far, and where it was; what has not begun never does
    Terminate    the second Ctrl-C, or ten seconds later: a job that did not listen ends, and what it has done is lost
    Kill         the third, or three seconds later: the program and its workers are gone

Whatever comes back is a line in a file, at once. The next start computes what is not there, from where it was. The
exit status is 0 when the sweep is complete, and 130 when it was stopped by Ctrl-C.
"""

# Dask's types are few:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Client, Future, KilledWorker, LocalCluster

import sigtask.dask
from sigtask import Drain, Kill, Ladder, Terminate, catch, requested, run, time_left

LADDER = Ladder((Drain, 10), (Terminate, 3), (Kill, 2))
LOW, HIGH = 3.4, 4.0
START = 0.3
"""Where each orbit begins."""
TINY = 1e-300
"""Takes the place of a derivative of 0, which has no logarithm."""

# -- on the workers ---------------------------------------------------------------------------------------------------


class State(NamedTuple):
    """How far the computation has come for one value of r: all that is needed to go on."""

    steps: int = 0
    x: float = START
    total: float = 0.0


def compute(r: float, state: State, goal: int, stride: int, log: str | None) -> tuple[int, float, float]:
    """Go on from there. Asked to drain, stop after the stride in hand, and give what there is."""
    steps, x, total = state
    while steps < goal and not requested(Drain):
        upto = min(steps + stride, goal)
        if log is not None:
            note(log, f"{r!r} {steps} {upto} {os.getpid()}")
        x, total = advance(r, x, total, upto - steps)
        steps = upto
    return steps, x, total


def stubborn(r: float, log: str | None) -> None:
    """What not to do: compute for ever, and ask nobody whether to go on."""
    if log is not None:
        note(log, f"{r!r} 0 0 {os.getpid()}")
    while True:
        advance(r, START, 0.0, 1000)


def advance(r: float, x: float, total: float, count: int) -> tuple[float, float]:
    """So many steps of the map; `total` is the sum of the logarithms of its slope."""
    log = math.log
    for _ in range(count):
        x = r * x * (1.0 - x)
        total += log(abs(r * (1.0 - 2.0 * x)) or TINY)
    return x, total


def note(log: str, line: str) -> None:
    """Append a line. It is one write: those of other workers go before or after it, not in between."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


# -- what is kept -----------------------------------------------------------------------------------------------------


class Book:
    """A file with a line of JSON for each result, whole or partial. The last for a value of r is the one that counts.

    A line is written at once and flushed to the disk. One that a crash has cut short is taken away at the next start.
    """

    def __init__(self, file: Path, goal: int) -> None:
        self.goal = goal
        self.states: dict[float, State] = {}
        data = file.read_bytes() if file.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            row = json.loads(line)
            self.states[row["r"]] = State(row["steps"], row["x"], row["total"])
        self._file = file.open("ab")
        self._file.truncate(len(whole))

    def keep(self, r: float, state: State) -> None:
        """Write it down. When this returns, it is there."""
        row = {"r": r, "from": self.state(r).steps, **state._asdict()}
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.states[r] = state

    def state(self, r: float) -> State:
        """How far it has come; the start, if there is nothing."""
        return self.states.get(r, State())

    def is_done(self, r: float) -> bool:
        """Whether nothing is left to do for it."""
        return self.state(r).steps >= self.goal

    def exponent(self, r: float) -> float:
        """The result."""
        return self.state(r).total / self.state(r).steps

    def close(self) -> None:
        """Nothing more will come."""
        self._file.close()


# -- what is seen -----------------------------------------------------------------------------------------------------


class Screen:
    """A progress bar at the bottom of a terminal; elsewhere a line for each result."""

    def __init__(self, book: Book, values: list[float]) -> None:
        self.book, self.values = book, values
        self.is_terminal = sys.stdout.isatty()
        self._drawn = False

    def say(self, text: str) -> None:
        """A line of text, above the bar."""
        print(f"\r\033[K{text}" if self._drawn else text, flush=True)
        self._drawn = False

    @property
    def done(self) -> int:
        """How many values are done."""
        return sum(map(self.book.is_done, self.values))

    def draw(self, last: float | None = None) -> None:
        """Show how far it is, and the result that came last."""
        tail = "" if last is None else f"  r = {last:.4f}: {self._of(last)}"
        if not self.is_terminal:
            print(f"{self.done} of {len(self.values)} values{tail}", flush=True)
            return
        filled = 30 * self.done // len(self.values)
        line = f"[{'#' * filled}{'.' * (30 - filled)}] {self.done} of {len(self.values)} values{tail}"
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        print(f"\r{line[: columns - 1]}\033[K", end="", flush=True)
        self._drawn = True

    def _of(self, r: float) -> str:
        if not self.book.is_done(r):
            return f"{self.book.state(r).steps:,} of {self.book.goal:,} steps"
        return f"{self.book.exponent(r):+.4f}"

    def summary(self) -> None:
        """What is there now."""
        done = [r for r in self.values if self.book.is_done(r)]
        begun = [r for r in self.values if not self.book.is_done(r) and self.book.state(r).steps]
        if len(done) < len(self.values):
            left = len(self.values) - len(done) - len(begun)
            self.say(f"kept: {len(done)} values, and {len(begun)} in part; not begun: {left}")
            self.say("start it again to go on from there")
            return
        chaotic = [r for r in self.values if self.book.exponent(r) > 0.001]  # next to 0 it is slow to tell
        self.say(f"{LOW} {''.join('#' if r in chaotic else '.' for r in self.values)} {HIGH}   (# is chaos)")
        if self.values[-1] == HIGH:
            self.say(f"at r = 4 the exponent is {self.book.exponent(HIGH):.4f}; in theory ln 2 = {math.log(2):.4f}")


# -- the sweep --------------------------------------------------------------------------------------------------------


class Jobs:
    """The jobs on the cluster, and what comes back from them."""

    def __init__(self, client: Client, book: Book, screen: Screen, options: argparse.Namespace) -> None:
        self.book, self.screen = book, screen
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        values = [r for r in screen.values if not book.is_done(r)]
        self.open: dict[Future[Any], float] = {}
        if options.stubborn:
            self.open[sigtask.dask.submit(client, stubborn, LOW, options.log)] = LOW
        states = [book.state(r) for r in values]
        same = [[one] * len(values) for one in (options.steps, options.stride, options.log)]
        futures = sigtask.dask.map(client, compute, values, states, *same)
        self.open.update(zip(futures, values, strict=True))
        for future in self.open:
            future.add_done_callback(self._hand_over)  # type: ignore[no-untyped-call]  # Dask's types are few

    def _hand_over(self, future: Future[Any]) -> None:
        """Dask calls this in a thread of its own, which may wait for the result to come from the worker."""
        try:
            outcome = future.result(timeout=10)
        except (Exception, asyncio.CancelledError) as error:
            outcome = error
        with suppress(RuntimeError):  # the loop is closed: the program has ended without it
            self._loop.call_soon_threadsafe(self._take, future, outcome)

    def _take(self, future: Future[Any], outcome: Any) -> None:
        """In the loop, and in no task: no signal comes between a result and its being kept."""
        r = self.open.pop(future)
        if isinstance(outcome, tuple):
            if State(*outcome) != self.book.state(r):
                self.book.keep(r, State(*outcome))
                self.screen.draw(r)
        elif isinstance(outcome, KilledWorker):
            self.screen.say(f"r = {r:.4f}: its worker was lost, and what it had done there")
        elif isinstance(outcome, sigtask.dask.Stopped):
            if outcome.began:
                self.screen.say(f"r = {r:.4f}: ended by {type(outcome.signal).__name__}, what it had done is lost")
        elif not future.cancelled():  # type: ignore[no-untyped-call]  # else it never began, or was killed with its process
            self._error = outcome
        self._news.set()

    async def wait(self, but: frozenset[str] = frozenset()) -> None:
        """Wait until there is no job left but those with these keys. Raises: what a job raised."""
        while self._error is None and any(future.key not in but for future in self.open):
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error

    async def stop(self, ladder: Ladder, reason: object) -> None:
        """Have them told, wait for those that end of it, and say how it went."""
        if self.open:
            report = await sigtask.dask.stop(self.open, ladder=ladder, reason=reason)
            await self.wait(but=frozenset(row.name for row in report.survivors))
            self.screen.say(str(report))


async def sweep(client: Client, book: Book, screen: Screen, options: argparse.Namespace) -> int:
    """The program, on a ladder. Gives the exit status; a signal after which something is left to do goes on its way."""
    jobs = Jobs(client, book, screen, options)
    screen.draw()
    try:
        with catch(Drain) as drain:
            await jobs.wait()
        if drain.signal is not None and jobs.open:
            screen.say(f"{drain.signal.reason}: the jobs are asked for what they have; once more ends them")
            await jobs.stop(Ladder((Drain, time_left() or 1)), drain.signal.reason)
            await jobs.wait()  # for those who did not listen: until they are done, or the next rung begins
            if not all(map(book.is_done, screen.values)):
                raise drain.signal
    except Terminate as told:
        screen.say(f"{told.reason}: the jobs that are left are told to end")
        await jobs.stop(Ladder((Terminate, 1), Kill), told.reason)
        raise
    finally:
        screen.summary()
    return 0 if all(map(book.is_done, screen.values)) else 1  # not all: a worker was lost


def values_of(count: int) -> list[float]:
    """So many values of r, evenly spread."""
    return [LOW + (HIGH - LOW) * index / (count - 1) for index in range(count)]


@contextmanager
def deaf_to_ctrl_c() -> Generator[None]:
    """What is started in here, thread or process, gets no SIGINT, nor does what that starts.

    A terminal sends Ctrl-C to every process in the foreground. The workers would end of it; they are told by sigtask.
    """
    resource_tracker.ensure_running()  # it would unblock the signal as it starts
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Where is the logistic map chaotic? A sweep that can be stopped.")
    parser.add_argument("--file", type=Path, default=Path("sweep.jsonl"), help="where results are kept")
    parser.add_argument("--values", type=int, default=64, help="how many values of r")
    parser.add_argument("--steps", type=int, default=4_000_000, help="steps of the map for each")
    parser.add_argument("--stride", type=int, default=100_000, help="steps between two looks at whether to stop")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--log", help="a file in which the workers write down each stride as they begin it")
    parser.add_argument("--stubborn", action="store_true", help="add a job that has no end and does not listen")
    options = parser.parse_args()
    if min(options.values - 1, options.steps, options.stride, options.workers) < 1:
        parser.error("needs two values, one step, one stride and one worker at least")
    return options


def main() -> int:
    """Start the cluster, then the sweep under its ladder.

    The client is a synchronous one: it and the cluster have a loop of their own, where the ladder does not reach. So
    they are there until all is kept.
    """
    options = parsed()
    values = values_of(options.values)
    book = Book(options.file, options.steps)
    screen = Screen(book, values)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # for the workers: else each job stopped is an error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.callback(book.close)
        screen.say(f"{screen.done} of {len(values)} values are there; starting {options.workers} workers ...")
        with deaf_to_ctrl_c():
            cluster = LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=":0")  # type: ignore[no-untyped-call]
            client = stack.enter_context(Client(stack.enter_context(cluster)))  # type: ignore[no-untyped-call]
            sigtask.dask.install(client)
            # All is kept when they are closed, which takes a second. After a signal `run` sees to it that it ends.
            stack.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        return run(sweep(client, book, screen, options), ladder=LADDER)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # while the workers were being started: no ladder was there yet
        sys.exit(128 + signal.SIGINT)
