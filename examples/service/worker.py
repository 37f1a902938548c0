"""Takes jobs from a table, one after the other, and ships them.

    DSN=postgresql://... sigtask run --ladder drain=10s,terminate=5s,kill=1s worker.py

A job is taken by a row lock (FOR UPDATE SKIP LOCKED). Drain: the job in hand is finished, no other is taken. Terminate:
it is rolled back, so the lock goes and another worker may take it. A commit that has begun is not torn.
"""

import asyncio
import os

from database import Database, Fetch, connect

from sigtask import Drain, Terminate, mask, requested, until

TAKE = """
SELECT jobs.id, orders.item FROM jobs JOIN orders ON orders.id = order_id
WHERE NOT done ORDER BY jobs.id LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED
"""
SECONDS = {"tea": 0.001, "piano": 60.0}


async def work(database: Database) -> None:
    """Ship what is ordered, until a Drain comes."""
    while not requested(Drain):
        async with database() as fetch:
            found = await ship_one(fetch)
        if not found:
            await until(Drain, asyncio.sleep(0.05))


async def ship_one(fetch: Fetch) -> bool:
    """Ship what waits longest, if there is anything."""
    job = None
    try:
        await fetch("BEGIN")
        job = next(iter(await fetch(TAKE)), None)
        if job is not None:
            print("took:", job[0], flush=True)
            await asyncio.sleep(SECONDS[job[1]])  # the work: every signal may end it
    except BaseException as error:
        with mask(Terminate):  # no second signal gets in here
            await fetch("ROLLBACK")
        if job is not None:  # the group cancels its tasks plainly, and the cause says by which signal
            print("put back:", job[0], repr(error.__cause__ or error), flush=True)
        raise
    with mask(Terminate):
        if job is not None:
            await fetch("INSERT INTO shipments VALUES ($1)", job[0])
            await fetch("UPDATE jobs SET done = true WHERE id = $1", job[0])
        await fetch("COMMIT")
        if job is not None:
            print("acknowledged:", job[0], flush=True)
    return job is not None


async def main() -> None:
    """Four at a time."""
    driver, dsn = os.environ.get("DRIVER", "asyncpg"), os.environ["DSN"]
    async with connect(driver, dsn) as database, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(work(database))


if __name__ == "__main__":
    asyncio.run(main())
