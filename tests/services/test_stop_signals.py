"""What becomes of the process's handlers for signals, and how often a signal counts."""

import asyncio
import os
import signal
import threading

import pytest
from lines import HTTP, Line, ok

from sigtask.asgi import SignalMiddleware

pytestmark = pytest.mark.os


@pytest.fixture
def server():
    """A server's handler for SIGTERM, which notes its calls."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: calls.append(signum))
    yield calls
    signal.signal(signal.SIGTERM, before)


async def wait(scope, receive, send):
    await asyncio.sleep(0.3)
    await ok(send)


async def chains(scope, receive, send):
    """An app that hears the signal, too, from its startup on: what it finds, it calls."""
    if scope["type"] != "lifespan":
        return await wait(scope, receive, send)
    await receive()
    found = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda signum, frame: found(signum, frame))
    await send({"type": "lifespan.startup.complete"})


async def plain(scope, receive, send):
    if scope["type"] != "lifespan":
        return await wait(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})


APPS = {"an app that chains": lambda: chains, "the middleware once more": lambda: SignalMiddleware(plain)}


@pytest.mark.parametrize("make", APPS.values(), ids=APPS)
def test_one_signal_counts_once_with(server, make):
    async def main():
        app = SignalMiddleware(make())
        start = Line({"type": "lifespan.startup"})
        await app({"type": "lifespan"}, start.receive, start.send)
        line = Line()
        request = asyncio.ensure_future(app(dict(HTTP), line.receive, line.send))
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        await request
        return line.status

    assert asyncio.run(main()) == 200  # a second one would have been a Terminate, and a 503
    assert len(server) == 1


async def hello(scope, receive, send):
    await ok(send)


def test_asyncio_runs_own_handler_of_sigint_is_left_to_it():
    async def main(app):
        line = Line()
        await app(dict(HTTP), line.receive, line.send)

    asyncio.run(main(SignalMiddleware(hello)))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_next_server_in_the_same_process_has_its_delay_and_does_not_stop_yet(server):
    app = SignalMiddleware(hello, drain_delay=0.3)

    async def serve():
        line = Line()
        await app(dict(HTTP), line.receive, line.send)
        assert app.stopping is None
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while not app.stopping:
            await asyncio.sleep(0.01)
        early = len(server)
        await asyncio.sleep(0.5)
        return early

    assert asyncio.run(serve()) == 0
    assert asyncio.run(serve()) == 1
    assert len(server) == 2
