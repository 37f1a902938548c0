"""What `cluster.py` has the workers run: they import it by name."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import time
from typing import Any

from sigtask import Terminate, catch

begun = 0
spent: dict[str, float] = {}
_profile: list[cProfile.Profile] = []


async def ends(number: int) -> None:
    """Waits, and ends by what it is sent."""
    global begun
    begun += 1
    await asyncio.get_running_loop().create_future()


async def returns(number: int) -> int:
    """Waits; asked to go, gives what it has."""
    global begun
    begun += 1
    with catch(Terminate):
        await asyncio.get_running_loop().create_future()
    return number


def count(forget: bool = False) -> int:
    """How many have begun on this worker."""
    global begun
    if forget:
        begun = 0
    return begun


def profile_on() -> None:
    """From here on, each call is counted and timed."""
    _profile.append(cProfile.Profile())
    _profile[-1].enable()


def profile_off(rows: int) -> list[tuple[str, int, float, float]]:
    """The calls that took longest in themselves: what, how often, seconds in it, seconds with what it called."""
    profile = _profile.pop()
    profile.disable()
    return rows_of(profile, rows)


def rows_of(profile: cProfile.Profile, rows: int) -> list[tuple[str, int, float, float]]:
    """As `profile_off`, of a profile at hand."""
    stats: Any = pstats.Stats(profile)
    found = [
        (f"{'/'.join(path.split('/')[-2:])}:{line} {name}", calls, own, total)
        for (path, line, name), (_, calls, own, total, _) in stats.stats.items()
    ]
    return sorted(found, key=lambda row: -row[2])[:rows]


def watch_reports(dask_worker: Any) -> None:
    """Note when this worker is told to stop jobs, and when its report goes out, by the CPU time it has taken."""
    plugin = dask_worker.plugins["sigtask"]
    told, report = plugin._stop, plugin._report

    def telling(*args: Any, **kwargs: Any) -> None:
        spent["told"] = time.process_time()
        told(*args, **kwargs)

    def reporting(*args: Any, **kwargs: Any) -> None:
        report(*args, **kwargs)
        spent["reported"] = time.process_time()

    plugin._report = reporting
    dask_worker.stream_handlers["sigtask-stop"] = telling


def cpu() -> dict[str, float]:
    """Seconds of CPU that this process has taken: now, when it was told last, and when it had reported."""
    return {**spent, "now": time.process_time()}
