"""How a worker may read from a server that hands things over: docs/how-to/redis-worker.md, with a real server.

The recipes' code is taken from the page. A proxy stands between a worker and the server, and keeps the server's
answers back when a test says so: then the server has handed an order over, and the worker has not got it yet.
"""

import asyncio
import collections
import contextlib
import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from launching import Process
from pages import blocks_of

import sigtask
from sigtask import Drain, Terminate, catch, mask, requested, until

redis = pytest.importorskip("redis.asyncio")
redis_in_a_line = pytest.importorskip("redis")
SERVER = shutil.which("redis-server")
pytestmark = [
    pytest.mark.os,
    pytest.mark.skipif(SERVER is None or os.name != "posix", reason="there is no redis-server here"),
]

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "redis-worker.md"
PATIENCE = 30.0
LIVES = 60  # how often the storm's worker is told to drain


def recipe(call, do):
    """The worker of docs/how-to/redis-worker.md that makes this call."""
    (code,) = [block.code for block in blocks_of(HOW_TO) if block.is_fragment and f".{call}(" in block.code]
    names = {"Drain": Drain, "Terminate": Terminate, "mask": mask, "requested": requested, "until": until, "do": do}
    exec(textwrap.dedent(code), names)
    return names["worker"]


async def careless(client, do):
    """What the page warns of."""
    while True:
        with catch(Drain) as drain:
            _, order = await client.blpop("orders", timeout=0)
        if drain:
            return
        await do(order)


class Proxy:
    """Passes on what client and server say; the server's answers only while `open` is set."""

    def __init__(self, server, path):
        self._server, self.path = server, path
        self.open, self.held = asyncio.Event(), asyncio.Event()
        self.open.set()
        self._serving = set()

    async def __aenter__(self):
        self._listening = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_):
        self._listening.close()
        if self._serving:  # their clients are gone
            await asyncio.wait(self._serving)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        answers = asyncio.create_task(self._pass_on(from_server, writer, self.open))
        always = asyncio.Event()
        always.set()
        await self._pass_on(reader, to_server, always)
        await answers

    async def _pass_on(self, reader, writer, opened):
        try:
            while data := await reader.read(65536):
                if not opened.is_set():
                    self.held.set()
                    await opened.wait()
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Shop:
    """A redis with orders, and a worker's own connection to it through a proxy."""

    def __init__(self, server, proxy):
        self.proxy = proxy
        self.direct = redis.Redis(unix_socket_path=server, decode_responses=True)
        self.client = redis.Redis(unix_socket_path=proxy.path, decode_responses=True)
        self.done = []

    async def do(self, order):
        await asyncio.sleep(0)
        self.done.append(order)

    async def until_a_worker_waits(self):
        while not int((await self.direct.info("clients"))["blocked_clients"]):
            await asyncio.sleep(0.005)

    async def hand_over(self, order):
        """The worker waits; then the server sends it an order, and the answer is still on its way."""
        await self.until_a_worker_waits()
        self.proxy.open.clear()
        await self.direct.rpush("orders", order)
        await self.proxy.held.wait()
        assert await self.direct.llen("orders") == 0

    async def close(self):
        await self.client.aclose()
        await self.direct.aclose()


@pytest.fixture(scope="module")
def server():
    """The path of a redis-server's socket; it is ended with the module."""
    with tempfile.TemporaryDirectory(prefix="sigtask") as folder:  # a socket's path must be short
        path = f"{folder}/redis.sock"
        words = ["--port", "0", "--unixsocket", path, "--dir", folder, "--save", "", "--appendonly", "no"]
        log = Path(folder, "log")
        with log.open("wb") as out:
            process = subprocess.Popen([SERVER, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            give_up_at = time.monotonic() + PATIENCE
            while not os.path.exists(path):
                assert process.poll() is None and time.monotonic() < give_up_at, log.read_text("utf-8")
                time.sleep(0.02)
            yield path
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def play(server, tmp_path):
    """`play(scene)` runs `scene(shop)` on a real loop; redis is empty at its start."""

    async def main(scene):
        sigtask.install()
        with tempfile.TemporaryDirectory(prefix="sigtask") as folder:
            async with asyncio.timeout(PATIENCE), Proxy(server, f"{folder}/proxy.sock") as proxy:
                shop = Shop(server, proxy)
                await shop.direct.flushall()
                try:
                    await scene(shop)
                finally:
                    proxy.open.set()
                    await shop.close()

    def play(scene):
        asyncio.run(main(scene))
        gc.collect()  # what was left open is said here, and not in another test

    return play


def test_the_program_of_the_page_finishes_its_order_and_leaves_the_others(server, tmp_path):
    """Stopped in the middle of an order, it finishes that one; the next one it never takes."""
    (program,) = [block.code for block in blocks_of(HOW_TO) if "redis" in block.words]
    tmp_path.joinpath("worker.py").write_text(program, "utf-8")
    direct = redis_in_a_line.Redis(unix_socket_path=server, decode_responses=True)
    with direct:
        direct.flushall()
        direct.rpush("orders:worker-1", "left over")
        worker = Process([sys.executable, "worker.py"], tmp_path, {"REDIS_URL": f"unix://{server}"})
        try:
            worker.wait_for("waiting for orders").wait_for("did left over")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.stderr
        finally:
            worker.end()
        direct.rpush("orders", "a coffee")
        assert worker.stdout == "waiting for orders\ndid left over\ngoing home: SIGTERM\n"
        assert direct.keys() == ["orders"]


def test_r16_a_caught_drain_around_a_read_that_hands_over_loses_the_order(play):
    """It is what the page says: nobody has the order any more."""

    async def scene(shop):
        task = sigtask.create_task(careless(shop.client, shop.do))
        await shop.hand_over("a coffee")
        task.drain("closing time")
        await task
        shop.proxy.open.set()
        assert await shop.client.echo("still in step") == "still in step"
        assert shop.done == [] and await shop.direct.keys() == []

    play(scene)


@pytest.mark.parametrize("signal", [Drain, Terminate])
def test_r14_a_read_in_a_mask_loses_nothing(play, signal):
    async def scene(shop):
        task = sigtask.create_task(recipe("blpop", shop.do)(shop.client))
        await shop.hand_over("a coffee")
        task.send_signal(signal("closing time"))
        await asyncio.sleep(0.05)
        assert not task.done()
        shop.proxy.open.set()
        await task
        assert shop.done == ["a coffee"]

    play(scene)


def test_r14_a_read_in_a_mask_ends_when_there_is_nothing(play):
    async def scene(shop):
        task = sigtask.create_task(recipe("blpop", shop.do)(shop.client))
        await shop.until_a_worker_waits()
        task.drain("closing time")
        await task
        assert shop.done == []

    play(scene)


@pytest.mark.parametrize("signal", [Drain, Terminate, "cancel"])
def test_r12_what_the_server_keeps_until_it_is_done_is_found_by_the_next_worker(play, signal):
    async def scene(shop):
        worker = recipe("blmove", shop.do)
        task = sigtask.create_task(worker(shop.client, "ada"))
        await shop.hand_over("a coffee")
        task.cancel() if signal == "cancel" else task.send_signal(signal("closing time"))
        await asyncio.wait([task])
        shop.proxy.open.set()
        assert shop.done == [] and await shop.direct.lrange("orders:ada", 0, -1) == ["a coffee"]
        task = sigtask.create_task(worker(shop.client, "ada"))
        await shop.until_a_worker_waits()
        task.drain("closing time")
        await task
        assert shop.done == ["a coffee"] and await shop.direct.keys() == []

    play(scene)


def test_r12_a_stream_gives_again_what_was_not_acknowledged(play):
    async def scene(shop):
        worker = recipe("xreadgroup", shop.do)
        await shop.direct.xgroup_create("orders", "workers", mkstream=True)
        task = sigtask.create_task(worker(shop.client, "ada"))
        await shop.until_a_worker_waits()
        shop.proxy.open.clear()
        await shop.direct.xadd("orders", {"what": "a coffee"})
        await shop.proxy.held.wait()
        task.drain("closing time")
        await task
        shop.proxy.open.set()
        assert shop.done == [] and (await shop.direct.xpending("orders", "workers"))["pending"] == 1
        task = sigtask.create_task(worker(shop.client, "ada"))
        await shop.until_a_worker_waits()
        task.drain("closing time")
        await task
        assert shop.done == [{"what": "a coffee"}] and (await shop.direct.xpending("orders", "workers"))["pending"] == 0

    play(scene)


@pytest.mark.parametrize("call", ["blpop", "blmove"])
def test_r12_r14_no_order_is_lost_or_done_twice_in_many_drains(play, call):
    """One worker's life after another, each told to drain at another moment; the server's answers come when they do."""

    async def scene(shop):
        chance = random.Random(call)
        orders, lives = [], 0
        worker = recipe(call, shop.do)
        name = ("ada",) if call == "blmove" else ()

        async def customers():
            while lives < LIVES:
                orders.append(f"order {len(orders)}")
                await shop.direct.rpush("orders", orders[-1])
                await asyncio.sleep(chance.choice((0, 0.001, 0.002)))

        async def traffic():
            while True:
                shop.proxy.open.clear()
                await asyncio.sleep(chance.choice((0, 0.001)))
                shop.proxy.open.set()
                await asyncio.sleep(chance.choice((0, 0.001)))

        coming, jams = asyncio.create_task(customers()), asyncio.create_task(traffic())
        while not coming.done() or len(shop.done) < len(orders):
            task = sigtask.create_task(worker(shop.client, *name))
            await asyncio.sleep(chance.uniform(0, 0.02))
            task.drain("closing time")
            await task
            lives += 1
        jams.cancel()
        assert collections.Counter(shop.done) == dict.fromkeys(orders, 1)
        assert await shop.direct.keys() == []

    play(scene)
