"""What serves, explored like the rest of sigtask; and a look whether any public coroutine has been left out."""

import asyncio
import importlib
import importlib.util
import inspect
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import sigtask
from sigtask import Drain, Interrupt, Kill, Ladder, Terminate, mask
from sigtask.asgi import Disconnection, SignalMiddleware, disconnection
from sigtask.serving import start_server
from sigtask.testing import explore, explore_async, turns

PLAIN = asyncio.CancelledError
ALL = (Drain, Interrupt, Terminate, Kill, PLAIN)
HTTP = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/", "headers": [], "client": ("c", 1)}
LADDER = Ladder.parse("drain=1s,terminate=1s,kill")

SHARED = "Patience._turn()"  # one short timer for all requests


class Line:
    """A server's `receive` and `send`, with a client that stays or goes."""

    def __init__(self, *messages):
        self.messages = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)
        self.sent = []
        self.lock = asyncio.Lock()

    async def receive(self):
        async with self.lock:
            return await self.messages.get()

    async def send(self, message):
        await asyncio.sleep(0.01)
        self.sent.append(message["type"])


async def line():
    return Line({"type": "http.request", "body": b"abc", "more_body": False})


async def lost_line():
    made = Line({"type": "http.request", "body": b"", "more_body": False})
    asyncio.get_running_loop().call_later(1, made.messages.put_nowait, {"type": "http.disconnect"})
    return made


async def answers(scope, receive, send):
    await receive()
    async with asyncio.timeout(60):
        await asyncio.sleep(0.1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def asks(scope, receive, send):
    gone = await disconnection()
    assert isinstance(gone, Disconnection)
    await gone.wait()


def nothing_is_read_twice(line):
    assert not line.lock.locked()


def test_a_request_behind_the_middleware_leaves_no_task_and_no_reader():
    async def requests(line):
        await SignalMiddleware(answers)(dict(HTTP), line.receive, line.send)

    explore(
        requests, setup=line, check=nothing_is_read_twice, signals=ALL, pairs=True, tasks=0, reuse=False, ignore=SHARED
    ).assert_passed()


def test_a_handler_that_waits_for_its_client_to_go_leaves_nothing():
    async def requests(line):
        await SignalMiddleware(asks)(dict(HTTP), line.receive, line.send)

    exploration = explore(requests, setup=lost_line, signals=ALL, pairs=True, tasks=0, reuse=False, ignore=SHARED)
    exploration.assert_passed()
    assert exploration.points


@pytest.mark.os
def test_a_server_that_is_stopped_at_any_await_leaves_no_connection():
    async def echoes(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()

    @asynccontextmanager
    async def nothing():
        yield None
        await asyncio.sleep(0.05)

    async def serves(_):
        async with start_server(echoes, "127.0.0.1", 0, ladder=LADDER) as server:
            with mask(Terminate, plain=True):  # it is the server that is stopped here
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                writer.write(b"a line\n")
                assert await reader.readline() == b"a line\n"
            finally:
                writer.close()

    exploration = explore(serves, setup=nothing, signals=(Interrupt, Terminate, PLAIN), tasks=0, real_time=True)
    exploration.assert_passed()


def test_turns_leave_nothing():
    async def turns_twice():
        await turns(2)

    exploration = explore(turns_twice, signals=ALL)
    exploration.assert_passed()
    assert len(exploration.points) == 2


def test_an_exploration_is_stopped_at_any_await_and_leaves_no_task_and_no_lock():
    async def lock():
        return asyncio.Lock()

    async def holds(lock):
        async with lock:
            await asyncio.sleep(0.01)

    async def explores():
        exploration = await explore_async(holds, setup=lock, signals=Terminate)
        assert exploration

    exploration = explore(explores, signals=(Terminate, PLAIN), tasks=0)
    exploration.assert_passed()
    assert len(exploration.points) > 3


# -- whether any is left out ------------------------------------------------------------------------------------------

PACKAGES = ("threads", "processes", "dask", "control", "telemetry", "testing", "serving", "asgi", "aiohttp", "grpc")
ELSEWHERE = {
    "Limiter.acquire": "a protocol: whoever gives one has it",
    "Program.stop": "what leaving `open_process()` calls",
    "SignalInterceptor.stop": "waits for gRPC's own threads: tests/services",
    "SignalInterceptor.intercept_service": "gRPC calls it: tests/services",
}


def public_coroutines():
    """By name, those of every package that can be imported here."""
    for package in ("sigtask", *(f"sigtask.{name}" for name in PACKAGES)):
        try:
            module = importlib.import_module(package)
        except ImportError:
            continue
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.iscoroutinefunction(thing):
                yield name
            elif inspect.isclass(thing) and thing is not sigtask.Task:
                own = (method for method, value in vars(thing).items() if inspect.iscoroutinefunction(value))
                yield from (f"{name}.{method}" for method in own if not method.startswith("_"))


def test_every_public_coroutine_is_explored():
    here = Path(__file__).parent
    text = "".join(path.read_text("utf-8") for path in here.glob("test_ourselves*.py"))
    called = set(re.findall(r"(\w+)\(", text))
    names = set(public_coroutines())
    assert {"stop", "to_thread", "until", "ProcessPool.run", "explore_async"} <= names
    assert sorted(name for name in names if name.rpartition(".")[2] not in called and name not in ELSEWHERE) == []
