"""aiosqlite: a connection, a transaction on it, and a cursor. Its work is done by a thread."""

from contextlib import asynccontextmanager

import aiosqlite
from uses import Use

REAL = {"real_time": True}


@asynccontextmanager
async def bank():
    async with aiosqlite.connect(":memory:") as db:
        await db.execute("create table money (who text, amount int)")
        await db.execute("insert into money values ('a', 100), ('b', 0)")
        await db.commit()
        yield db


async def transfers(db):
    try:
        await db.execute("update money set amount = amount - 10 where who = 'a'")
        await db.execute("update money set amount = amount + 10 where who = 'b'")
        await db.commit()
    except BaseException:
        await db.rollback()
        raise


async def balanced(db):
    async with db.execute("select sum(amount) from money") as cursor:
        (total,) = await cursor.fetchone()
    assert total == 100, f"{total} left"
    assert not db.in_transaction, "a transaction is open"


async def reads(db):
    async with db.execute("select * from money") as cursor:
        async for _ in cursor:
            pass


async def nothing():
    return None


async def connects(_):
    async with aiosqlite.connect(":memory:") as db:
        await db.execute("select 1")


USES = [
    Use("aiosqlite", "a transaction, rolled back when it fails", transfers, bank, balanced, REAL),
    Use("aiosqlite", "rows of a cursor", reads, bank, balanced, REAL),
    Use("aiosqlite", "`connect()`", connects, nothing, None, REAL),
]
