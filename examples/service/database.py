"""One way to use either of two drivers: asyncpg or psycopg.

    async with connect("asyncpg", dsn) as database:
        async with database() as fetch:
            rows = await fetch("SELECT id FROM orders WHERE item = $1", "tea")

Both drivers cancel a query on the server when the await is ended by a `CancelledError`, and sigtask's signals are such
errors. So nothing about signals stands here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

Fetch = Callable[..., Awaitable[list[Any]]]
Database = Callable[[], AbstractAsyncContextManager[Fetch]]

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id text NOT NULL, item text NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_order ON orders (id);
CREATE TABLE IF NOT EXISTS jobs (id bigserial PRIMARY KEY, order_id text NOT NULL, done boolean NOT NULL DEFAULT false);
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (id) WHERE NOT done;
CREATE TABLE IF NOT EXISTS shipments (job_id bigint NOT NULL);
"""


@asynccontextmanager
async def connect(driver: str, dsn: str, size: int = 10) -> AsyncIterator[Database]:
    """A pool of at most `size` connections. `driver` is "asyncpg" or "psycopg"."""
    async with {"asyncpg": _asyncpg, "psycopg": _psycopg}[driver](dsn, size) as database:
        yield database


@asynccontextmanager
async def _asyncpg(dsn: str, size: int) -> AsyncIterator[Database]:
    import asyncpg

    async with asyncpg.create_pool(dsn, min_size=1, max_size=size) as pool:

        @asynccontextmanager
        async def database() -> AsyncIterator[Fetch]:
            async with pool.acquire() as connection:
                yield connection.fetch

        yield database


@asynccontextmanager
async def _psycopg(dsn: str, size: int) -> AsyncIterator[Database]:
    import psycopg
    from psycopg_pool import AsyncConnectionPool

    options = {"autocommit": True, "cursor_factory": psycopg.AsyncRawCursor}  # raw: parameters are $1, $2
    async with AsyncConnectionPool(dsn, min_size=1, max_size=size, kwargs=options, open=False) as pool:

        @asynccontextmanager
        async def database() -> AsyncIterator[Fetch]:
            async with pool.connection() as connection:

                async def fetch(sql: str, *parameters: Any) -> list[Any]:
                    cursor = await connection.execute(sql, parameters)
                    return await cursor.fetchall() if cursor.description else []

                yield fetch

        yield database
