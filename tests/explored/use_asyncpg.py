"""asyncpg: a pool of one connection, and a transaction on it."""

import asyncio
from asyncio import CancelledError
from contextlib import asynccontextmanager

import asyncpg
from postgres_server import MINUS, PLUS, TABLE, TOTAL, WHY, once_up, start_server, stop_server, where
from uses import Use

from sigtask import Terminate

__all__ = ["USES", "stop_server"]
if WHY is None:
    start_server()
REAL = {"real_time": True, "signals": (Terminate, CancelledError)}
"""No Kill: it leaves the pool's connection unreleased, by design, and `pool.close()` would wait a minute for it."""


@asynccontextmanager
async def asyncpg_pool():
    first = await once_up(lambda: asyncpg.connect(database="postgres", **where()), asyncpg.CannotConnectNowError)
    await first.execute(TABLE)
    await first.close()
    async with asyncpg.create_pool(database="postgres", min_size=1, max_size=1, **where()) as pool:
        yield pool


async def asyncpg_transfer(pool):
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(MINUS)
        await connection.execute(PLUS)


async def asyncpg_balanced(pool):
    async with asyncio.timeout(1):
        total = await pool.fetchval(TOTAL)
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction(), "a transaction is open"
    assert total == 100, f"{total} left"


async def asyncpg_rows(pool):
    async with pool.acquire() as connection, connection.transaction():
        async for _ in connection.cursor("select generate_series(1, 3)", prefetch=1):
            pass


USES = [
    Use("asyncpg", "a pool of one, a transaction", asyncpg_transfer, asyncpg_pool, asyncpg_balanced, REAL, WHY),
    Use("asyncpg", "a pool of one, rows of a cursor", asyncpg_rows, asyncpg_pool, asyncpg_balanced, REAL, WHY),
]
