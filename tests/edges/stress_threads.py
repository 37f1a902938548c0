"""A signal sent to a function in a thread at the very moment at which it ends: 100,000 times, on this Python.

    python tests/edges/stress_threads.py [--races 100000] [--seed 0]

Each race starts one of the functions below, and signals its task when the function says that it is near its end, some
bytecodes later. The two threads change places at every bytecode at which they may. Whatever happens, this must hold:

    the task ends by the signal, or with the function's value: nothing else comes out
    what the function deferred has run, once
    the thread is hit by nothing afterwards: it runs another function's plain code whole, and waits for the next
    no thread is lost, and no more are made than functions were under way

`make stress` runs it on every CPython found; a smaller count is part of `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import sigtask
from sigtask import Drain, Interrupt, Terminate, catch, checkpoint, defer, mask, requested, to_thread
from sigtask.threads import _hit, _workers

AT_ONCE = 3


class Race:
    """One call, and what it left. The function says when it is near its end, `tail` rounds before it."""

    def __init__(self, dice: random.Random) -> None:
        self.head = dice.choice([0, 0, 10, 300])
        self.tail = dice.randrange(dice.choice([10, 100, 1000]))
        self.near = False
        self.deferred = 0
        self.masked_whole = True

    def cleanup(self) -> None:
        """What must run once."""
        self.deferred += 1

    def rounds(self) -> Iterator[int]:
        """What a function loops over."""
        defer(self.cleanup)
        yield from range(self.head)
        self.near = True
        yield from range(self.tail)


def plain(race: Race) -> str:
    """A loop in plain code."""
    total = 0
    for n in race.rounds():
        total += n
    return "value"


def tidy(race: Race) -> str:
    """One that swallows whatever hits it, and returns."""
    with contextlib.suppress(asyncio.CancelledError):
        for _ in race.rounds():
            pass
    return "value"


def masked(race: Race) -> str:
    """One that opens and closes many masks, and is whole inside of each."""
    for _ in race.rounds():
        with mask(Terminate, plain=True):
            race.masked_whole = False
            race.masked_whole = True
    return "value"


def catching(race: Race) -> str:
    """One that catches Interrupts, and asks."""
    for _ in race.rounds():
        with catch(Interrupt):
            checkpoint()
            requested(Drain)
    return "value"


def failing(race: Race) -> str:
    """One that ends by an error of its own."""
    for _ in race.rounds():
        pass
    raise ValueError


def in_c(race: Race) -> str:
    """One whose last bytecode is a call of C code, which gives the others a turn."""
    for _ in race.rounds():
        pass
    time.sleep(0)
    return "value"


FUNCTIONS: list[Callable[[Race], str]] = [plain, tidy, masked, catching, failing, in_c]
SENDS: list[tuple[str, Callable[[sigtask.Task[str]], object]]] = [
    ("interrupt", lambda task: task.interrupt("race")),
    ("terminate", lambda task: task.terminate("race")),
    ("cancel", lambda task: task.cancel()),
    ("interrupt, terminate", lambda task: (task.interrupt("race"), task.terminate("race"))),
    ("cancel, terminate", lambda task: (task.cancel(), task.terminate("race"))),
]


async def one(dice: random.Random, counts: Counter[str]) -> None:
    """One race."""
    race = Race(dice)
    fn = dice.choice(FUNCTIONS)
    name, send = dice.choice(SENDS)
    task: sigtask.Task[str] = asyncio.create_task(to_thread(fn, race))  # type: ignore[assignment]  # with our factory
    await asyncio.sleep(0)  # now it is given to a thread
    given_up = time.monotonic() + 10
    while not race.near and time.monotonic() < given_up:
        time.sleep(0)  # the function's turn
    send(task)
    await asyncio.wait([task])
    counts[check(race, fn, name, task)] += 1


def check(race: Race, fn: Callable[[Race], str], name: str, task: sigtask.Task[str]) -> str:
    """How it ended; raises `AssertionError` for what must not be."""
    said = f"{fn.__name__}({race.head}, {race.tail}), {name}: {task!r}"
    assert race.near, f"it never came near its end: {said}"
    assert race.deferred == 1, f"deferred ran {race.deferred} times: {said}"
    assert race.masked_whole, f"torn inside a mask: {said}"
    if task.cancelled():
        signal = task.ended_by
        assert signal is not None or "cancel" in name, f"ended by nothing that was sent: {said}"
        assert signal is None or signal.reason == "race", f"{signal!r} has lost its reason: {said}"
        return "ended by the signal" if signal is not None else "ended by the plain cancel"
    error = task.exception()
    if error is not None:
        assert isinstance(error, ValueError), f"{error!r} came out: {said}"
        assert fn is failing, said
        return "ended by its own error"
    assert task.result() == "value", said
    return "returned its value"


async def races(count: int, seed: int) -> Counter[str]:
    """So many races, some at a time; how they ended."""
    dice, counts = random.Random(seed), Counter[str]()
    for start in range(0, count, AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, count - start)):
                group.create_task(one(dice, counts))
        if start % 1000 == 0:
            await calm()
    await calm()
    return counts


async def calm() -> None:
    """Every thread is there, hit by nothing, and takes a function that returns what it should."""

    def marker() -> int:
        return sum(n for n in range(1000))

    found = await asyncio.gather(*(to_thread(marker) for _ in range(AT_ONCE)))
    assert found == [499500] * AT_ONCE, found
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("to_thread")]
    assert len(threads) <= 2 * AT_ONCE, threads
    assert _workers.workers.spare == len(threads), (_workers.workers.spare, threads)


def counted(name: str) -> list[int]:
    """Count the calls of that function of `_hit`."""
    calls, original = [0], getattr(_hit, name)

    def counting(*args: Any) -> Any:
        calls[0] += 1
        return original(*args)

    setattr(_hit, name, counting)
    return calls


def main() -> int:
    """Run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--races", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures: list[object] = []
    put, taken_back = counted("hit"), counted("spare")
    threading.excepthook = failures.append
    sys.unraisablehook = failures.append
    started = time.monotonic()
    sys.setswitchinterval(1e-6)  # the threads change places at every bytecode at which they may
    counts = sigtask.run(races(options.races, options.seed))
    assert not failures, failures
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"{counts.total():,} races on Python {python} in {time.monotonic() - started:.0f} s, seed {options.seed}")
    for how, count in counts.most_common():
        print(f"  {count:7,} {how}")
    print(f"  {put[0]:,} of the signals came while the function ran, and were put into its thread;")
    print(f"  {taken_back[0]:,} of these were met by a call of ours before the interpreter raised them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
