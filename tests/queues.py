"""The worker recipes of examples/workers, each with its queue: a real redis-server, or librdkafka's mock of Kafka.

The mock, a part of librdkafka, speaks Kafka's protocol over TCP: it has groups, offsets and commits, in memory.
"""

import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from launching import Process
from servers import free_port

ROOT = Path(__file__).parents[1]
LADDER = "drain=20s,terminate=2s,kill=1s"


@contextlib.contextmanager
def redis_server():
    """A redis-server on a port of its own, in a folder of its own; gives its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    with tempfile.TemporaryDirectory(prefix="sigtask") as folder:
        port = free_port()
        words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
        server = Process([program, *words], folder)
        try:
            server.wait_for("Ready to accept connections")
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.popen.terminate()
            server.wait()


@contextlib.contextmanager
def kafka_broker():
    """librdkafka's mock of a Kafka, in a kcat; gives its address."""
    program = shutil.which("kcat")
    if program is None:
        pytest.skip("there is no kcat here, whose librdkafka has a mock broker")
    words = ["-C", "-t", "unused", "-b", "unused:1", "-X", "test.mock.num.brokers=1", "-d", "mock"]
    broker = Process([program, *words], ROOT)
    try:
        broker.wait_for("bootstrap.servers=", "stderr")
        yield broker.stderr.split("bootstrap.servers=")[1].split()[0]
    finally:
        broker.end()


class Queue:
    """One recipe at work. `put()` is what a user's program does to have a job done."""

    modules = ()
    broker = staticmethod(redis_server)
    where = "REDIS_URL"
    warnings = ("-W", "error")
    lost_after = 10.0  # seconds, longer than any job here

    def __init__(self, address):
        self.address = address
        self.workers = []

    @property
    def command(self):
        return [f"examples.workers.{type(self).__name__.lower()}_worker:main"]

    def put(self, *jobs):
        """Jobs are pairs of a name and seconds."""
        asyncio.run(self._put([{"what": what, "seconds": seconds} for what, seconds in jobs]))

    def start(self):
        """A worker process under `sigtask run`."""
        environment = {self.where: self.address, "LOST_AFTER_MS": str(int(self.lost_after * 1000)), "WORKERS": "1"}
        words = [*self.warnings, "-m", "sigtask", "run", "--ladder", LADDER, *self.command]
        self.workers.append(Process([sys.executable, *words], ROOT, environment))
        return self.workers[-1]

    def done(self):
        """What has been done, by all workers."""
        return [line.partition(":")[0] for worker in self.workers for line in said(worker) if ": done" in line]


def said(worker):
    """What its jobs have printed: FastStream logs to the same place."""
    return re.findall(r"^[\w ]+: (?:begun|done|not done).*$", worker.stdout, re.M)


class Streams(Queue):
    modules = ("redis",)

    async def _put(self, jobs):
        from redis.asyncio import Redis

        async with Redis.from_url(self.address) as redis:
            for job in jobs:
                await redis.xadd("cakes", job)


class Arq(Queue):
    modules = ("arq",)
    warnings = ("-W", "error", "-W", "ignore::DeprecationWarning")  # of redis-py, which arq calls as it was
    command = ["-m", "arq", "examples.workers.arq_worker.WorkerSettings"]

    async def _put(self, jobs):
        from arq import create_pool
        from arq.connections import RedisSettings

        pool = await create_pool(RedisSettings.from_dsn(self.address))
        for job in jobs:
            await pool.enqueue_job("bake", **job)
        await pool.aclose()


class Taskiq(Queue):
    modules = ("taskiq", "taskiq_redis")

    async def _put(self, jobs):
        from taskiq.kicker import AsyncKicker
        from taskiq_redis import RedisStreamBroker

        broker = RedisStreamBroker(self.address, consumer_id="0")
        await broker.startup()
        for job in jobs:
            await AsyncKicker("examples.workers.taskiq_worker:bake", broker, {}).kiq(**job)
        await broker.shutdown()


class Faststream(Queue):
    modules = ("faststream.redis",)

    async def _put(self, jobs):
        from faststream.redis import RedisBroker
        from redis.asyncio import Redis

        async with Redis.from_url(self.address) as redis:
            if not await redis.exists("cakes"):  # a group that FastStream makes begins at the end
                await redis.xgroup_create("cakes", "bakers", id="0", mkstream=True)
        async with RedisBroker(self.address) as broker:
            for job in jobs:
                await broker.publish(job, stream="cakes")


class Kafka(Queue):
    modules = ("aiokafka",)
    broker = staticmethod(kafka_broker)
    where = "KAFKA"

    async def _put(self, jobs):
        from aiokafka import AIOKafkaProducer

        async with AIOKafkaProducer(bootstrap_servers=self.address) as producer:
            for job in jobs:
                await producer.send_and_wait("cakes", json.dumps(job).encode())


QUEUES = [Streams, Arq, Taskiq, Faststream, Kafka]
