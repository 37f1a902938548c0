"""redis-py's asyncio client, with a real redis-server."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
from contextlib import asynccontextmanager

import redis.asyncio as redis
from uses import Use

REAL = {"real_time": True}
SERVER = shutil.which("redis-server")
_started = {}


def port():
    """Of a server that is started once."""
    if "port" not in _started:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            _started["port"] = probe.getsockname()[1]
        _started["folder"] = tempfile.TemporaryDirectory()
        command = [SERVER, "--port", str(_started["port"]), "--bind", "127.0.0.1", "--save", "", "--dir"]
        _started["process"] = subprocess.Popen([*command, _started["folder"].name], stdout=subprocess.DEVNULL)
    return _started["port"]


def stop_server():
    if "process" in _started:
        _started["process"].terminate()
        _started["process"].wait()
        _started["folder"].cleanup()
        _started.clear()


@asynccontextmanager
async def client():
    pool = redis.BlockingConnectionPool(host="127.0.0.1", port=port(), max_connections=1, timeout=2)
    made = redis.Redis(connection_pool=pool)
    for _ in range(100):
        try:
            await made.flushall()
            await made.mset({"a": "A", "b": "B"})
            break
        except redis.ConnectionError:
            await asyncio.sleep(0.05)
    try:
        yield made
    finally:
        await made.aclose()
        await pool.aclose()


async def gets(client):
    assert await client.get("a") == b"A"
    assert await client.get("b") == b"B"


async def answers_belong_to_their_questions(client):
    """The bug of March 2023: after a cancel, a connection gave the answer to the question before."""
    for _ in range(2):
        assert await client.get("b") == b"B", "an answer to another question"


async def pipes(client):
    async with client.pipeline(transaction=True) as pipe:
        answers = await pipe.get("a").get("b").execute()
    assert answers == [b"A", b"B"]


async def listens(client):
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=1)


async def locks(client):
    async with client.lock("door", timeout=10, blocking_timeout=1):
        await client.get("a")


async def door_is_open(client):
    assert not await client.exists("door"), "the lock is held on the server"


WHY = None if SERVER else "no redis-server here (Debian: apt install redis-server)"
USES = [
    Use("redis-py", "`get()`, one connection", gets, client, answers_belong_to_their_questions, REAL, WHY),
    Use("redis-py", "a pipeline", pipes, client, answers_belong_to_their_questions, REAL, WHY),
    Use("redis-py", "`pubsub()`", listens, client, answers_belong_to_their_questions, REAL, WHY),
    Use("redis-py", "`lock()`", locks, client, door_is_open, {**REAL, "reuse": False}, WHY),
]
