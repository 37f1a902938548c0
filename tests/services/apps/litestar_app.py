"""A Litestar app with `SignalMiddleware` around it."""

import asyncio
import contextlib
import json
import os

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.di import Provide
from litestar.response import ServerSentEvent, Stream

from sigtask import Drain, Interrupt, Ladder, Signal, Terminate, mask, until
from sigtask.asgi import SignalMiddleware, on_disconnect


def say(*words):
    print(*words, flush=True)


@contextlib.asynccontextmanager
async def lifespan(app):
    say("up")
    yield
    say("closed")


async def session():
    try:
        yield "session"
    finally:
        await asyncio.sleep(0.05)  # a cleanup with an await in it
        say("session closed")


async def wait_for_a_signal():
    say("began")
    try:
        await asyncio.sleep(30)
    except Signal as signal:
        say("met", type(signal).__name__, signal.reason)
        raise


@get("/hello")
async def hello() -> str:
    return "hello"


@get("/wait", dependencies={"db": Provide(session)})
async def wait(db: str) -> str:
    await wait_for_a_signal()
    return db


@post("/post")
async def items(data: list[int]) -> None:
    await wait_for_a_signal()


@get("/pay")
@on_disconnect("run_to_end")
async def pay() -> None:
    say("began")
    await asyncio.sleep(0.5)
    say("paid")


@get("/order")
async def order() -> str:
    say("began")
    with mask(Terminate):
        await asyncio.sleep(0.5)
    return "booked"


@get("/events")
async def events() -> ServerSentEvent:
    async def stream():
        yield "first"
        say("began")
        got = await until(Drain, asyncio.sleep(30))
        yield str(got.reason)

    return ServerSentEvent(stream())


@get("/forever")
async def forever() -> Stream:
    async def stream():
        try:
            while True:
                yield "x" * 1000
                await asyncio.sleep(0.01)
        except Interrupt as signal:
            say("met", type(signal).__name__, signal.reason)
            raise
        finally:
            say("stream closed")

    say("began")
    return Stream(stream())


@websocket("/ws")
async def ws(socket: WebSocket) -> None:
    await socket.accept()
    say("began")
    got = await until(Drain, asyncio.sleep(30))
    await socket.send_text(f"bye: {got.reason}")


options = json.loads(os.environ.get("OPTIONS", "{}"))
if "ladder" in options:
    options["ladder"] = Ladder.parse(options["ladder"])
app = SignalMiddleware(Litestar([hello, wait, items, pay, order, events, forever, ws], lifespan=[lifespan]), **options)
