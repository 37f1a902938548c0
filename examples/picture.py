"""Draws how a service is stopped: `python examples/picture.py stop.html [CONNECTIONS]`, or .txt, .json, .trace.json.

A shop with workers that drain, connections that take their time to say goodbye, and three parts that do not obey. It
runs on the clock for tests, so its twenty seconds take none.
"""

from __future__ import annotations

import asyncio
import random
import sys

from sigtask import Drain, Ladder, Report, Terminate, create_task, mask, requested, stop
from sigtask.testing import FakeClockLoop, turns

LADDER = Ladder.parse("drain=10s,terminate=5s,kill=1s")


async def order_worker(seconds: float) -> None:
    """Finishes the order in hand, and takes no other."""
    while not requested(Drain):
        await finish(seconds)


async def finish(seconds: float) -> None:
    """The order in hand."""
    await asyncio.sleep(seconds)


async def connection(goodbye: float) -> None:
    """A client that is connected: it is told goodbye, which takes a while."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(goodbye)


class Ledger:
    """Books, which are written in one piece."""

    @mask(Terminate)
    async def commit(self) -> None:
        """Not to be torn; here the disk is full, and it takes for ever."""
        await asyncio.sleep(3600)

    async def write(self) -> None:
        """The task's own coroutine."""
        await self.commit()


async def metrics() -> None:
    """Swallows every signal, as a broad `except` in a loop does."""
    while True:
        try:
            await push("http://metrics.internal/push")
        except asyncio.CancelledError:
            continue


async def push(url: str) -> None:
    """Sends what was counted."""
    await asyncio.sleep(30)


async def report_usage() -> None:
    """Fails in its cleanup."""
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionResetError("the collector is gone")


async def cache_warmer() -> None:
    """Cleans up for longer than it is given."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(60)


async def shop(connections: int) -> Report:
    """Start it all, and stop it all."""
    dice = random.Random(1)
    parts = {f"worker-{n}": order_worker(1.7 + n) for n in range(4)}
    parts |= {f"connection-{n}": connection(round(dice.expovariate(1.5), 3)) for n in range(connections)}
    parts |= {"ledger": Ledger().write(), "metrics": metrics(), "usage": report_usage(), "cache": cache_warmer()}
    tasks = [create_task(coro, name=name) for name, coro in parts.items()]
    await turns(3)
    return await stop(*tasks, ladder=LADDER, reason="a new version is deployed")


def main() -> None:
    """Write the report to the file that was named."""
    path, *rest = sys.argv[1:] or ["stop.html"]
    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        report = runner.run(shop(int(rest[0]) if rest else 12))
    report.write(path)
    print(report)


if __name__ == "__main__":
    main()
