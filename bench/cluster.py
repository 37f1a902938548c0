"""n jobs on a Dask cluster of two worker processes, told to stop in one call: what it costs, and how it grows.

The workers run under nannies, on the loopback; the scheduler shares a process with the client. The jobs are small
coroutines that wait, and end as they are told. For each n: the seconds until the scheduler has taken the call, until
the last worker has acknowledged it, and until `stop()` has the reports of all. Apart from these: how long Dask takes
to start the jobs, and to tell the client of the end of each. Seconds of CPU are taken as well, which a busy machine
disturbs less; `cluster_model.py` goes on from them.

    python bench/cluster.py [--jobs N ...] [--rounds N] [--settle N] [--kind ends|returns]
                            [--profile ROWS] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
jobs: Any = importlib.import_module("cluster_jobs")

LADDER = "terminate=300s,kill=10s"
PATIENCE = 1800.0
WORKERS = 2
GOAL_RATE = 20_000
GOAL_RATIO = 1.3
LOCAL: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": ":0", "worker_dashboard_address": None}
Round = dict[str, float]


def distributed() -> Any:
    """Dask's module, which is not typed; imported late, when the environment says how loud it shall be."""
    return importlib.import_module("distributed")


class Marks:
    """When what was to be heard has come to the scheduler."""

    def __init__(self, scheduler: Any) -> None:
        self._handlers = scheduler.stream_handlers
        self.at: dict[str, float] = {}
        for kind in ("stop", "ack", "report"):
            self._watch(f"sigtask-{kind}", kind)

    def _watch(self, op: str, kind: str) -> None:
        call = self._handlers[op]

        def marked(*args: Any, **kwargs: Any) -> None:
            call(*args, **kwargs)
            self.at[kind] = time.perf_counter()  # the last one stays

        self._handlers[op] = marked


class Bench:
    """One cluster with room for n jobs."""

    def __init__(self, cluster: Any, client: Any, n: int, args: argparse.Namespace) -> None:
        self.scheduler = cluster.scheduler
        self.client = client
        self.n = n
        self.kind = args.kind
        self.profile = args.profile
        self.settles = n <= args.settle
        self.marks = Marks(cluster.scheduler)

    async def round(self) -> Round:
        """Start n jobs, stop them, and wait until Dask has let go of them."""
        import sigtask
        import sigtask.dask

        await self.client.run(jobs.count, forget=True)
        before = await self.cpu()
        began = time.perf_counter()
        futures = sigtask.dask.map(self.client, getattr(jobs, self.kind), range(self.n))
        await until(self.all_begun)
        found: Round = {"start": time.perf_counter() - began}
        gc.collect()
        started = await self.cpu()
        if self.profile:
            await self.profile_on()
        self.marks.at.clear()
        began, cpu = time.perf_counter(), time.process_time()
        report = await sigtask.dask.stop(futures, ladder=sigtask.Ladder.parse(LADDER), reason="measured")
        found["reported"], found["cpu here"] = time.perf_counter() - began, time.process_time() - cpu
        if self.profile:
            await self.profile_off()
        found |= {kind: at - began for kind, at in self.marks.at.items()}
        check(report, self.n, self.kind)
        found["settled"] = float("nan")
        if self.settles:
            await self.settle(futures)
            found["settled"] = time.perf_counter() - began
        ended = await self.cpu()
        found["cpu of a worker"] = max(one["reported"] - one["told"] for one in ended.values())
        for phase, first, last in (("start", before, started), ("settle", started, ended)):
            found[f"cpu {phase} here"] = last[""]["now"] - first[""]["now"]
            found[f"cpu {phase} of workers"] = sum(last[one]["now"] - first[one]["now"] for one in last if one)
        if not self.settles:
            found |= {"cpu settle here": float("nan"), "cpu settle of workers": float("nan")}
        else:
            del futures, report
            await until(self.all_forgotten)
        return found

    async def all_begun(self) -> bool:
        """Whether all jobs run."""
        return bool(sum((await self.client.run(jobs.count)).values()) == self.n)

    async def all_forgotten(self) -> bool:
        """Whether the scheduler knows none any more."""
        return not self.scheduler.tasks

    async def settle(self, futures: list[Any]) -> None:
        """Wait until the client knows of each future that it is done."""
        await distributed().wait(futures)

    async def cpu(self) -> dict[str, dict[str, float]]:
        """Seconds of CPU, by process; this one has no name."""
        here = {"now": time.process_time(), "told": 0.0, "reported": 0.0}
        return {**await self.client.run(jobs.cpu), "": here}

    async def profile_on(self) -> None:
        """Profile the workers, and this process with the scheduler and the client."""
        await self.client.run(jobs.profile_on)
        self.mine = cProfile.Profile()
        self.mine.enable()

    async def profile_off(self) -> None:
        """Print what took the time."""
        self.mine.disable()
        workers = await self.client.run(jobs.profile_off, self.profile)
        for name, found in [("client and scheduler", jobs.rows_of(self.mine, self.profile)), *workers.items()]:
            print(f"\n{name}\n   calls     own   total")
            for what, calls, own, total in found:
                print(f"{calls:8} {own:7.3f} {total:7.3f}  {what}")


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ask, from time to time, until it is so: nothing tells of it that would not itself cost the workers time."""
    while not await true():  # noqa: ASYNC110  # it is another process's, or Dask's
        await asyncio.sleep(0.05)


def check(report: Any, n: int, kind: str) -> None:
    """Each job is in the report, and obeyed: a figure of anything else would be of something else."""
    wanted = {"ends": "ended by Terminate", "returns": "returned"}[kind]
    ended = [row.ended for row in report.tasks]
    if ended != [wanted] * n:
        raise SystemExit(f"{n} jobs were to be {wanted!r}; the report has {len(ended)} rows, {set(ended)}")


async def measure(n: int, rounds: int, args: argparse.Namespace) -> list[Round]:
    """Some rounds with n jobs, on a cluster of their own."""
    import sigtask.dask

    async with (
        asyncio.timeout(PATIENCE),
        distributed().LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=n // WORKERS + 1,  # Dask counts a coroutine as a thread; none of these is ever started
            asynchronous=True,
            **LOCAL,
        ) as cluster,
        distributed().Client(cluster, asynchronous=True) as client,
    ):
        await sigtask.dask.install(client)
        await client.run(jobs.watch_reports)
        bench = Bench(cluster, client, n, args)
        return [await bench.round() for _ in range(rounds)]


async def per_worker(workers: int = 8, rounds: int = 7) -> float:
    """Seconds of CPU here that a stop takes for each worker it goes to, with one job on each: the median of the rounds.

    What a stop costs once, however many workers there are, is in it: so it is too much.
    """
    import sigtask.dask

    spent = []
    async with (
        asyncio.timeout(PATIENCE),
        distributed().LocalCluster(n_workers=workers, threads_per_worker=1, asynchronous=True, **LOCAL) as cluster,
        distributed().Client(cluster, asynchronous=True) as client,
    ):
        await sigtask.dask.install(client)
        for _ in range(rounds):
            await client.run(jobs.count, forget=True)
            futures = sigtask.dask.map(client, jobs.ends, range(workers))
            await until(lambda: all_have(client, 1))
            began = time.process_time()
            report = await sigtask.dask.stop(futures, ladder=sigtask.Ladder.parse(LADDER), reason="measured")
            spent.append(time.process_time() - began)
            check(report, workers, "ends")
            await distributed().wait(futures)
    return statistics.median(spent) / workers


async def all_have(client: Any, n: int) -> bool:
    """Whether so many jobs run on each worker."""
    return all(begun == n for begun in (await client.run(jobs.count)).values())


COLUMNS = (
    # heading, which figure, for each job in microseconds
    ("call s", "stop", False),
    ("last ack s", "ack", False),
    ("reports s", "reported", False),
    ("us a job", "reported", True),
    ("CPU worker", "cpu of a worker", True),
    ("CPU sched.", "cpu here", True),
    ("start s", "start", False),
    ("settled s", "settled", False),
)


def middle(rounds: list[Round], name: str) -> float:
    """The median over the rounds."""
    return statistics.median(one[name] for one in rounds)


def line(n: int, rounds: list[Round]) -> str:
    """A row of the table."""
    cells = [middle(rounds, name) * (1e6 / n if each else 1) for _, name, each in COLUMNS]
    best = n / min(one["reported"] for one in rounds)
    texts = [f"{cell:13.0f}" if each else f"{cell:13.3f}" for cell, (*_, each) in zip(cells, COLUMNS, strict=True)]
    return f"{n:>7}" + "".join(texts) + f"{n / middle(rounds, 'reported'):>13,.0f}{best:>13,.0f}"


def goals(found: dict[int, list[Round]]) -> None:
    """What was hoped for, and what came."""
    most = max(found)
    rate = most / middle(found[most], "reported")
    verdict = "ok" if rate >= GOAL_RATE else "MISS"
    print(f"\nreports a second, {most:,} jobs: {rate:,.0f}, goal >= {GOAL_RATE:,}: {verdict}")
    if {3000, 30_000} <= set(found):
        for what, name in (("time", "reported"), ("CPU of a worker", "cpu of a worker"), ("CPU here", "cpu here")):
            ratio = middle(found[30_000], name) / 10 / middle(found[3000], name)
            verdict = "ok" if ratio <= GOAL_RATIO else "MISS"
            print(f"{what} for a job, 30,000 to 3,000: {ratio:.2f}, goal <= {GOAL_RATIO}: {verdict}")


def main(args: argparse.Namespace) -> None:
    """All of the table, then the goals."""
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "distributed": importlib.metadata.version("distributed"),
        "kind": args.kind,
        "rounds": args.rounds,
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'jobs':>7}" + "".join(f"{heading:>13}" for heading, *_ in COLUMNS) + f"{'reports/s':>13}{'most':>13}")
    found: dict[int, list[Round]] = {}
    for n in args.jobs:
        each, times = (args.rounds, 1) if n <= args.settle else (1, args.rounds)
        found[n] = [one for _ in range(times) for one in asyncio.run(measure(n, each, args))]
        print(line(n, found[n]), flush=True)
    goals(found)
    spread = asyncio.run(per_worker())
    print(f"ms of CPU here for each worker that is told: {spread * 1e3:.2f}")
    if args.json:
        Path(args.json).write_text(
            json.dumps({"machine": machine, "per worker": spread, "jobs": found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What it costs to stop n jobs on a cluster.")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--settle",
        type=int,
        default=sys.maxsize,
        metavar="N",
        help="with more jobs than this, do not wait until Dask has told of each end; each round has its own cluster",
    )
    parser.add_argument("--kind", choices=["ends", "returns"], default="ends")
    parser.add_argument("--profile", type=int, default=0, metavar="ROWS")
    parser.add_argument("--json", metavar="FILE")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *sys.path])  # for the workers, before Dask is imported
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
    main(parser.parse_args())
