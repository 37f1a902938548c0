"""A pool of workers on a redis stream. On Drain each finishes its job, on Terminate the job goes back.

Run it: sigtask run examples.workers.streams_worker:main
"""

import asyncio
import os
import socket
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from sigtask import Drain, Terminate, mask, on_signal, requested

STREAM, GROUP = "cakes", "bakers"
LOST = int(os.environ.get("LOST_AFTER_MS", "600000"))  # a job is taken over after that long: longer than any job takes


async def bake(what: str, seconds: float) -> None:
    """The job."""
    print(f"{what}: begun", flush=True)
    try:
        await asyncio.sleep(seconds)
    except Terminate as signal:
        print(f"{what}: not done: {signal.reason}", flush=True)
        raise
    drain = requested(Drain)
    print(f"{what}: done, {drain.reason if drain else 'nobody hurries'}", flush=True)


async def worker(redis: Redis, name: str) -> None:
    """Take a job, do it, take the next. On Drain, take no more."""
    try:
        while not requested(Drain):
            _, jobs, *_ = await redis.xautoclaim(STREAM, GROUP, name, min_idle_time=LOST, count=1)
            if not jobs:
                new = await redis.xreadgroup(GROUP, name, {STREAM: ">"}, count=1, block=1000)
                jobs = new[0][1] if new else []
            for entry, job in jobs:
                await bake(job["what"], float(job["seconds"]))
                with mask(Terminate):  # what is done is not to be done again
                    await redis.xack(STREAM, GROUP, entry)
    finally:
        await put_back(redis, name)


@mask(Terminate)
async def put_back(redis: Redis, name: str) -> None:
    """Whatever this worker still has counts as lost from now on, so the next one takes it at once."""
    mine = await redis.xpending_range(STREAM, GROUP, "-", "+", count=100, consumername=name)
    if entries := [each["message_id"] for each in mine]:
        await redis.xclaim(STREAM, GROUP, name, min_idle_time=0, message_ids=entries, idle=LOST, justid=True)


async def main() -> None:
    """The program."""
    url = os.environ.get("REDIS_URL", "redis://localhost")
    async with Redis.from_url(url, decode_responses=True, protocol=2) as redis:
        try:
            await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # it is there already
                raise
        workers: list[Any] = []
        # main is told first, and its group would cancel the workers without a reason.
        with on_signal(Terminate, lambda signal: [each.terminate(signal.reason) for each in workers]):
            async with asyncio.TaskGroup() as group:
                for number in range(int(os.environ.get("WORKERS", "2"))):
                    name = f"{socket.gethostname()}-{os.getpid()}-{number}"
                    workers.append(group.create_task(worker(redis, name)))
