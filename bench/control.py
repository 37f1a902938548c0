"""What it costs to be looked at: `make bench-control`, a minute.

One process with the control socket and very many tasks, and a client in another that asks once a second, as `sigtask
top` does. Time is the processor's, of the loop's own thread and of the control thread, which a busy machine disturbs
least. The share of the loop's time is what it spends in the slices that it is handed; beside it stands what its thread
takes more, all in all, in windows with the client than in those without, which take turns: where that is a small
difference of large numbers, a busy machine disturbs it. The longest hold is that of one slice of a look.

    make bench-control BENCH="--tasks 10000 --rounds 5"
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import sigtask
import sigtask.control
from sigtask.control._answers import Call
from sigtask.control._book import Book, Look

CLIENT = """
import sys, time
from sigtask.control._client import Connection
with Connection(int(sys.argv[1])) as connection:
    for look in range(10**6):
        count = sum(len(said.get("tasks", ())) for said in connection.ask("ps", fresh=look == 0))
        print(count, flush=True)
        time.sleep(1)
"""
SHARE, HOLD, SPAWN = 0.01, 0.05, 1.25
WINDOW = 5.0
"""Seconds."""


async def _waits() -> None:
    await asyncio.Event().wait()


async def _moves() -> None:
    while True:  # noqa: ASYNC110  # that is its work
        await asyncio.sleep(0.9)


def _control_clock() -> int:
    thread = next(one for one in threading.enumerate() if one.name == "sigtask-control")
    assert thread.ident is not None
    return time.pthread_getcpuclockid(thread.ident)


class _Handed:
    """Counts the seconds that the loop spends in what it is handed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        run = Call._run

        def counted(call: Call[Any]) -> None:
            began = time.thread_time()
            run(call)
            self.seconds += time.thread_time() - began

        Call._run = counted  # type: ignore[method-assign,assignment]


async def _window(handed: _Handed) -> tuple[float, float, float]:
    """The shares of what the loop is handed, of its whole thread and of the control thread, in so many seconds."""
    clock = _control_clock()
    slices, loop, control, began = handed.seconds, time.thread_time(), time.clock_gettime(clock), time.monotonic()
    await asyncio.sleep(WINDOW)
    wall = time.monotonic() - began
    spent = handed.seconds - slices, time.thread_time() - loop, time.clock_gettime(clock) - control
    return spent[0] / wall, spent[1] / wall, spent[2] / wall


async def _polled(
    what: str, make: Callable[[], Coroutine[Any, Any, None]], tasks: int, rounds: int, handed: _Handed
) -> float:
    """Print what a client that polls costs; gives the loop's share."""
    crowd = [asyncio.create_task(make()) for _ in range(tasks)]
    await asyncio.sleep(1)
    shares, loops, controls = [], [], []
    for _ in range(rounds):
        quiet = await _window(handed)
        client = subprocess.Popen(  # noqa: ASYNC220  # at once, and it is waited for below
            [sys.executable, "-c", CLIENT, str(os.getpid())], stdout=subprocess.PIPE
        )
        try:
            assert client.stdout is not None
            await asyncio.to_thread(client.stdout.readline)  # the first look, which makes every row
            polled = await _window(handed)
        finally:
            client.kill()
            client.communicate()
        shares.append(polled[0])
        loops.append(polled[1] - quiet[1])
        controls.append(polled[2] - quiet[2])
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)
    share = statistics.median(shares)
    print(
        f"{tasks:,} tasks that {what}, a client once a second: {share:.2%} of the loop's time "
        f"({min(shares):.2%} to {max(shares):.2%}; its thread took {statistics.median(loops):.2%} more), "
        f"{statistics.median(controls):.2%} in the control thread"
    )
    return share


async def _held(tasks: int) -> float:
    """Print how long a look at so many tasks holds the loop at a time, in all; gives the longest."""
    book = Book(asyncio.get_running_loop(), 1, itertools.count(1))
    crowd = [asyncio.create_task(_waits()) for _ in range(tasks)]
    await asyncio.sleep(0)
    gc.collect()
    slices = []
    look = Look(book, fresh=True, stacks=False)
    while True:
        began = time.thread_time()
        part = look.step()
        slices.append(time.thread_time() - began)
        if part is None:
            break
        await asyncio.sleep(0)
    book.close()
    for task in crowd:
        task.cancel()
    await asyncio.wait(crowd)
    print(
        f"{tasks:,} tasks, looked at for the first time: {sum(slices):.2f} s in {len(slices)} slices, "
        f"the longest {1e3 * max(slices):.1f} ms, the middle one {1e3 * statistics.median(slices):.1f} ms"
    )
    return max(slices)


async def _spawned(rounds: int) -> float:
    """Print what noting a task's birth adds to spawning it; gives the ratio."""
    loop = asyncio.get_running_loop()

    async def spawn() -> float:
        began = time.thread_time()
        for _ in range(200):
            await asyncio.wait([loop.create_task(asyncio.sleep(0)) for _ in range(100)])
        return time.thread_time() - began

    ratios = []
    for _ in range(2 * rounds):
        off = await spawn()
        book = Book(loop, 1, itertools.count(1))
        ratios.append(await spawn() / off)
        book.close()
    ratio = statistics.median(ratios)
    between = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"a task spawned, run and ended, with its birth noted: {ratio:.2f} of one without ({between})")
    return ratio


async def _main(options: argparse.Namespace) -> bool:
    spawn = await _spawned(options.rounds)
    hold = await _held(options.many)
    sigtask.control.start()
    handed = _Handed()
    share = await _polled("wait", _waits, options.tasks, options.rounds, handed)
    moving = await _polled("move once a second", _moves, options.tasks, options.rounds, handed)
    sigtask.control.stop()
    goals = {
        f"at most {SHARE:.0%} of the loop's time": share <= SHARE,
        f"at most {SHARE:.0%} where all of them move": moving <= SHARE,
        f"the loop is held at most {1e3 * HOLD:.0f} ms at a time": hold <= HOLD,
        f"a spawn at most {SPAWN}": spawn <= SPAWN,
    }
    for goal, kept in goals.items():
        print(f"goal: {goal}: {'ok' if kept else 'MISS'}")
    return all(goals.values())


def main() -> int:
    """Measure, and say whether the goals are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, metavar="N", default=10_000)
    parser.add_argument("--many", type=int, metavar="N", default=100_000)
    parser.add_argument("--rounds", type=int, metavar="N", default=3)
    return 0 if sigtask.run(_main(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
