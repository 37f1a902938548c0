"""psycopg: a connection, and a transaction on it."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
from postgres_server import MINUS, PLUS, TABLE, TOTAL, WHY, once_up, start_server, stop_server, where
from uses import Use

__all__ = ["USES", "stop_server"]
if WHY is None:
    start_server()
REAL = {"real_time": True}


@asynccontextmanager
async def psycopg_connection():
    connect = psycopg.AsyncConnection.connect
    connection = await once_up(lambda: connect(dbname="postgres", **where()), psycopg.OperationalError)
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


USES = [
    Use("psycopg", "a transaction", psycopg_transfer, psycopg_connection, psycopg_balanced, REAL, WHY),
    Use("psycopg", "rows of a cursor", psycopg_rows, psycopg_connection, psycopg_balanced, REAL, WHY),
]
