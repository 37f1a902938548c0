"""asyncpg and psycopg, with a real PostgreSQL: a pool of one connection, and a transaction on it."""

import asyncio
import glob
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import asynccontextmanager

import asyncpg
import psycopg
from uses import Use

REAL = {"real_time": True}
BIN = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), None)
_started = {}


def as_user():
    """PostgreSQL does not run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def start_server():
    if _started:
        return
    folder = tempfile.mkdtemp(prefix="pg")
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "cwd": folder}
    data = os.path.join(folder, "data")
    subprocess.run([*as_user(), f"{BIN}/initdb", "-D", data, "-U", "tester", "-A", "trust"], **quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        _started["port"] = probe.getsockname()[1]
    options = ["-D", data, "-p", str(_started["port"]), "-k", folder, "-h", "127.0.0.1", "-F"]
    quiet.pop("check")
    _started["process"] = subprocess.Popen([*as_user(), f"{BIN}/postgres", *options], **quiet)
    _started["folder"] = folder


def stop_server():
    if _started:
        _started["process"].terminate()
        _started["process"].wait()
        shutil.rmtree(_started["folder"], ignore_errors=True)
        _started.clear()


def where():
    start_server()
    return {"host": "127.0.0.1", "port": _started["port"], "user": "tester"}


TABLE = (
    "drop table if exists money; create table money (who text, amount int); "
    "insert into money values ('a', 100), ('b', 0)"
)
MINUS = "update money set amount = amount - 10 where who = 'a'"
PLUS = "update money set amount = amount + 10 where who = 'b'"
TOTAL = "select sum(amount) from money"


async def once_up(connect):
    for _ in range(200):
        try:
            return await connect()
        except (OSError, asyncpg.CannotConnectNowError, psycopg.OperationalError):
            await asyncio.sleep(0.05)
    raise RuntimeError("PostgreSQL does not start")


@asynccontextmanager
async def asyncpg_pool():
    first = await once_up(lambda: asyncpg.connect(database="postgres", **where()))
    await first.execute(TABLE)
    await first.close()
    async with asyncpg.create_pool(database="postgres", min_size=1, max_size=1, **where()) as pool:
        yield pool


async def asyncpg_transfer(pool):
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(MINUS)
        await connection.execute(PLUS)


async def asyncpg_balanced(pool):
    async with asyncio.timeout(5):
        total = await pool.fetchval(TOTAL)
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction(), "a transaction is open"
    assert total == 100, f"{total} left"


async def asyncpg_rows(pool):
    async with pool.acquire() as connection, connection.transaction():
        async for _ in connection.cursor("select generate_series(1, 3)", prefetch=1):
            pass


@asynccontextmanager
async def psycopg_connection():
    connection = await once_up(lambda: psycopg.AsyncConnection.connect(dbname="postgres", **where()))
    async with connection:
        await connection.execute(TABLE)
        await connection.commit()
        yield connection


async def psycopg_transfer(connection):
    async with connection.transaction():
        await connection.execute(MINUS)
        await connection.execute(PLUS)


async def psycopg_balanced(connection):
    async with asyncio.timeout(5):
        row = await (await connection.execute(TOTAL)).fetchone()
        await connection.commit()
    assert row == (100,), f"{row} left"


async def psycopg_rows(connection):
    async with connection.cursor() as cursor:
        await cursor.execute("select generate_series(1, 3)")
        async for _ in cursor:
            pass
    await connection.commit()


WHY = None if BIN else "no PostgreSQL server"
USES = [
    Use("asyncpg", "a pool of one, a transaction", asyncpg_transfer, asyncpg_pool, asyncpg_balanced, REAL, WHY),
    Use("asyncpg", "a pool of one, rows of a cursor", asyncpg_rows, asyncpg_pool, asyncpg_balanced, REAL, WHY),
    Use("psycopg", "a transaction", psycopg_transfer, psycopg_connection, psycopg_balanced, REAL, WHY),
    Use("psycopg", "rows of a cursor", psycopg_rows, psycopg_connection, psycopg_balanced, REAL, WHY),
]
