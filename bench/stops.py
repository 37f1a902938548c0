"""The example service under load, stopped at a random moment, again and again; then the books are compared.

Each time the web server, a worker, wrk and clients with exact books (`load`) are started beside a PostgreSQL, and both
programs of the service get a SIGTERM. Afterwards: was every order that was accepted answered, and booked once; was
every job that was shipped acknowledged, once; is a query or a lock left on the database's server?

    python bench/stops.py [--stops 20] [--seconds 30] [--seed N] [--only sigtask ...]

"sigtask" is uvicorn with `SignalMiddleware`, "sigtask run" the same under the command, "uvicorn" has no middleware. The
driver is asyncpg and psycopg in turn. Ends with 1 when sigtask's books do not balance.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from load import Books, Client, booker, leaver, waiter
from servers import free_port

SERVICE = Path(__file__).parent.parent / "examples" / "service"
sys.path.insert(0, str(SERVICE))
database: Any = import_module("database")
postgres: Any = import_module("postgres")

LADDER = "drain=1s,terminate=1s,kill=500ms"
GRACEFUL = ("--timeout-graceful-shutdown", "2")  # without, uvicorn waits for as long as a request takes
WHICH = ("sigtask", "sigtask run", "uvicorn", "aiofence", "fastapi_disconnect")
DRIVERS = ("asyncpg", "psycopg")
FIRST = ("piano", "piano", "tea", "tea")
"""What each booker orders first. Nobody ships a piano in time, so two jobs are in hand when the stop comes."""
OLD = 1.0
"""Seconds after which a query is that of a client who has left: who leaves has left by then."""

OLD_QUERIES = """
SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'
AND query_start < clock_timestamp() - make_interval(secs => $1)
"""
LOCKED = """
SELECT (SELECT count(*) FROM jobs WHERE NOT done) - count(*)
FROM (SELECT FROM jobs WHERE NOT done FOR UPDATE SKIP LOCKED) AS free
"""


@dataclass
class Tally:
    """What came of some stops of one contender."""

    stops: int = 0
    accepted: int = 0
    answered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    reports: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    torn: int = 0
    lost: int = 0
    """Booked, and no answer."""
    unbooked: int = 0
    """Answered by 201, and not booked."""
    twice: int = 0
    acknowledged: int = 0
    shipped: int = 0
    put_back: int = 0
    locked: int = 0
    orphans: int = 0
    """Queries that ran when the stop came, for a client that had left."""
    left: int = 0
    """Queries that ran when the service had ended."""
    longest: float = 0.0

    def is_balanced(self) -> bool:
        """Whether nothing is lost, torn, doubled or left behind."""
        bad = (self.torn, self.lost, self.unbooked, self.twice, self.locked, self.orphans, self.left)
        return not any(bad) and self.accepted == self.answered and self.acknowledged == self.shipped


# -- the programs -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def service(which: str, environment: dict[str, str], log: Path) -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    """The web server and the worker: its port, and the two processes. What they print goes into `log`."""
    port = free_port()
    ours = which.startswith("sigtask")
    run = [sys.executable, "-m", "sigtask", "run", "-q", "--ladder", LADDER]
    web = [*(run if which == "sigtask run" else [sys.executable]), "-m", "uvicorn", "--port", str(port)]
    web += ["--no-access-log", "--log-level", "warning", *(["app:app"] if ours else [*GRACEFUL, "stops_app:app"])]
    worker = [*(run if ours else [sys.executable]), str(SERVICE / "worker.py")]
    path = os.pathsep.join([str(SERVICE), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, **environment, "WHICH": which, "LADDER": LADDER, "PYTHONPATH": path}
    with (log / "web").open("wb") as of_web, (log / "worker").open("wb") as of_worker:
        started = [
            subprocess.Popen(web, env=env, stdout=of_web, stderr=of_web),
            subprocess.Popen(worker, env=env, stdout=of_worker, stderr=of_worker),
        ]
        try:
            yield port, started
        finally:
            for process in started:
                process.kill()
                process.wait()


@contextlib.contextmanager
def wrk(port: int, seconds: float) -> Iterator[None]:
    """A crowd that asks for what is quickly answered. Without wrk there is none."""
    if shutil.which("wrk") is None:
        print("wrk is not installed (a Debian package of that name): the clients with books are the only ones.")
        yield
        return
    command = ["wrk", "-t1", "-c4", f"-d{int(seconds) + 5}s", f"http://127.0.0.1:{port}/waiting"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def until_up(port: int, web: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the service answers."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):
            if await Client(port).ask("GET", "/waiting") == 200:
                return
        if web.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the service did not start:\n{(log / 'web').read_text()}")
        await asyncio.sleep(0.05)


# -- one stop ---------------------------------------------------------------------------------------------------------


async def stop_once(which: str, dsn: str, driver: str, seconds: float, chance: random.Random, tally: Tally) -> None:
    """Start everything, wait for a random moment, stop it, and compare the books."""
    with contextlib.ExitStack() as stack:
        log, books = Path(stack.enter_context(tempfile.TemporaryDirectory())), Books()
        async with database.connect(driver, dsn) as connected:
            await _empty(connected)
            port, started = stack.enter_context(service(which, {"DSN": dsn, "DRIVER": driver}, log))
            await until_up(port, started[0], log)
            with wrk(port, seconds):
                clients = [asyncio.create_task(booker(port, f"{n}", books, FIRST[n])) for n in range(4)]
                clients += [asyncio.create_task(waiter(port, books)), asyncio.create_task(leaver(port, chance))]
                if which.startswith("sigtask"):
                    clients.append(asyncio.create_task(waiter(port, books, "X-Timeout: 0.3")))
                await asyncio.sleep(chance.uniform(min(2.0, seconds / 2), seconds))
                tally.orphans += await _orphans(connected, books)
                at = time.monotonic()
                for process in started:
                    process.send_signal(signal.SIGTERM)
                for process in started:
                    await asyncio.to_thread(process.wait, 30)
                tally.longest = max(tally.longest, time.monotonic() - at)
            await asyncio.wait_for(asyncio.gather(*clients), 30)
            await asyncio.sleep(0.3)  # the database's server notices that its clients are gone
            await _compare(connected, books, (log / "worker").read_text(), tally)


async def _empty(connected: Any) -> None:
    async with connected() as fetch:
        for table in ("orders", "jobs", "shipments"):
            await fetch(f"TRUNCATE {table}")


async def _orphans(connected: Any, books: Books) -> int:
    async with connected() as fetch:
        running: int = (await fetch(OLD_QUERIES, OLD))[0][0]
    waited_for = sum(1 for since in books.waiting.values() if time.monotonic() - since > OLD)
    return max(0, running - waited_for)


async def _compare(connected: Any, books: Books, said: str, tally: Tally) -> None:
    async with connected() as fetch:
        booked = [row[0] for row in await fetch("SELECT id FROM orders")]
        shipped = [row[0] for row in await fetch("SELECT job_id FROM shipments")]
        jobs = [row[0] for row in await fetch("SELECT order_id FROM jobs")]
        tally.locked += (await fetch(LOCKED))[0][0]
        tally.left += (await fetch(OLD_QUERIES, 0.0))[0][0]
    acknowledged = [int(line.split()[1]) for line in said.splitlines() if line.startswith("acknowledged: ")]
    tally.stops += 1
    tally.accepted += len(set(booked) | books.answered.keys())
    tally.answered += len(books.answered)
    tally.statuses.update(books.answered.values())
    tally.reports.update(books.reports)
    tally.refused += len(books.refused - set(booked))
    tally.torn += len(books.torn)
    tally.lost += len(set(booked) - books.answered.keys())
    tally.unbooked += sum(1 for order, status in books.answered.items() if status == 201 and order not in set(booked))
    tally.acknowledged += len(acknowledged)
    tally.shipped += len(shipped)
    tally.twice += sum(len(one) - len(set(one)) for one in (booked, jobs, shipped, acknowledged))
    tally.put_back += said.count("put back: ")


# -- the table --------------------------------------------------------------------------------------------------------

COLUMNS = ("accepted", "answered", "torn", "lost", "twice", "acknowledged", "shipped", "locked", "orphans", "left")


def print_table(found: dict[str, Tally]) -> None:
    """One line for each contender and driver."""
    print(f"\n{'':28}{'stops':>6}" + "".join(f"{name:>13}" for name in COLUMNS) + f"{'longest':>9}  books")
    for which, tally in found.items():
        cells = "".join(f"{getattr(tally, name):13}" for name in COLUMNS)
        verdict = "balance" if tally.is_balanced() else "DO NOT balance"
        print(f"{which:28}{tally.stops:6}{cells}{tally.longest:8.1f}s  {verdict}")
    for which, tally in found.items():
        print(f"{which}: orders {_by_status(tally.statuses)}; reports {_by_status(tally.reports)}; ", end="")
        print(f"{tally.refused} orders not accepted; {tally.put_back} jobs put back")


def _by_status(counted: Counter[int]) -> str:
    return " ".join(f"{status}:{count}" for status, count in sorted(counted.items())) or "none"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Stops the example service under load, and compares the books.")
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0, help="the stop comes within so many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=WHICH, default=list(WHICH))
    return parser.parse_args()


def main() -> None:
    """Measure, and print the table."""
    given = options()
    known = [w for w in given.only if w not in WHICH[3:] or importlib.util.find_spec(w)]
    print(f"seed {given.seed}: {given.stops} stops, each within {given.seconds:g} s", flush=True)
    found = {f"{which}, {driver}": Tally() for which in known for driver in DRIVERS[: given.stops]}
    try:
        with postgres.postgres() as dsn:
            asyncio.run(postgres.make_tables("asyncpg", dsn))
            for number in range(given.stops):
                for which in known:
                    chance = random.Random(f"{given.seed} {number}")
                    tally = found[f"{which}, {DRIVERS[number % 2]}"]
                    asyncio.run(stop_once(which, dsn, DRIVERS[number % 2], given.seconds, chance, tally))
                print(f"{number + 1} of {given.stops}", file=sys.stderr)
    except postgres.NoPostgres as error:
        sys.exit(str(error))
    finally:  # also what was found until a Ctrl-C
        print_table(found)
    sys.exit(not all(tally.is_balanced() for which, tally in found.items() if which.startswith("sigtask")))


if __name__ == "__main__":
    main()
