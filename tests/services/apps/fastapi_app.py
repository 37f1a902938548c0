"""A FastAPI app with `SignalMiddleware`, as in the how-to."""

import asyncio
import contextlib
import json
import os
import time

from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from sigtask import Drain, Interrupt, Signal, requested, until
from sigtask.asgi import ClientDisconnected, SignalMiddleware, on_disconnect, run_to_end
from sigtask.asgi.fastapi import Disconnected


def say(*words):
    print(*words, flush=True)


@contextlib.asynccontextmanager
async def lifespan(app):
    say("up")
    yield
    say("closed")


app = FastAPI(lifespan=lifespan)
app.add_middleware(SignalMiddleware, **json.loads(os.environ.get("OPTIONS", "{}")))
if os.environ.get("HTTP_MIDDLEWARE"):

    @app.middleware("http")
    async def around(request: Request, call_next):
        return await call_next(request)


async def session():
    try:
        yield "session"
    finally:
        await asyncio.sleep(0.05)  # a cleanup with an await in it
        say("session closed")


@app.get("/hello")
async def hello():
    return "hello"


@app.get("/wait")
@on_disconnect("throw")
async def wait(db: str = Depends(session)):
    say("began")
    try:
        await asyncio.sleep(30)
    except Interrupt as signal:
        say("met", signal.reason)
        raise


@app.post("/post")
async def post(request: Request, items: list[int]):
    say("began")
    try:
        await asyncio.sleep(30)
    except Interrupt as signal:
        say("met", signal.reason)
        raise


@app.get("/ask")
async def ask(gone: Disconnected):
    say("began", bool(gone))
    await gone.wait()
    say("gone", bool(gone), requested(ClientDisconnected))
    return "nobody reads this"


@app.get("/polls")
@on_disconnect("ask")
async def polls(request: Request):
    """What is written today."""
    say("began")
    while not await request.is_disconnected():
        await asyncio.sleep(0.02)
    say("gone")


@app.get("/pay")
@run_to_end
async def pay(amount: int = 1):
    say("began")
    await asyncio.sleep(0.5)
    say("paid", amount)


@app.get("/thread")
def thread():
    say("began")
    return "from a thread"


def plain_session():
    try:
        yield
    finally:
        say("closed the session")


@app.get("/long_thread")
def long_thread(db: None = Depends(plain_session)):
    say("began")
    time.sleep(0.5)
    say("the thread is done")


@app.get("/background")
async def background(tasks: BackgroundTasks):
    async def later():
        await asyncio.sleep(0.3)
        say("background done", requested(Signal))

    tasks.add_task(later)
    return "soon"


@app.get("/events")
async def events():
    async def stream():
        yield "data: first\n\n"
        say("began")
        got = await until(Drain, asyncio.sleep(30))
        yield f"data: {got.reason}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/forever")
async def forever():
    async def stream():
        try:
            while True:
                yield "x" * 1000
                await asyncio.sleep(0.01)
        finally:
            say("stream closed")

    async def afterwards():
        await asyncio.sleep(0.05)
        say("afterwards")

    say("began")
    return StreamingResponse(stream(), background=BackgroundTask(afterwards))


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    say("began")
    async for text in socket.iter_text():
        await socket.send_text(text)
    await asyncio.sleep(0.05)
    say("client left")


@app.websocket("/ticks")
@run_to_end
async def ticks(socket: WebSocket):
    await socket.accept()
    say("began")
    try:
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0.02)
    except WebSocketDisconnect:
        say("no more ticks")
