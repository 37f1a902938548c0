"""A bare ASGI app with `SignalMiddleware` around it. Each handler prints what it meets, one line each.

The options of the middleware come in `OPTIONS`, as JSON.
"""

import asyncio
import json
import os

from sigtask import Drain, Interrupt, Ladder, Signal, Terminate, mask, requested, until, wait_requested
from sigtask.asgi import ClientDisconnected, SignalMiddleware, on_disconnect, run_to_end


def say(*words):
    print(*words, flush=True)


def said(signal):
    return f"{type(signal).__name__} {type(signal.reason).__name__}: {signal.reason}"


async def start(send, *headers, status=200):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def text(send, words):
    await start(send, (b"content-length", str(len(words)).encode()))
    await body(send, words.encode())


async def read(receive):
    """The whole body's length, and whether the client was there to its end."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return length, False
        length += len(message["body"])
        if not message.get("more_body"):
            return length, True


# -- routes -----------------------------------------------------------------------------------------------------------


async def hello(scope, receive, send):
    await text(send, "hello")


async def echo(scope, receive, send):
    length, whole = await read(receive)
    await text(send, f"{length} {whole}")


async def after_a_while(scope, receive, send):
    await asyncio.sleep(0.2)
    length, whole = await read(receive)
    await text(send, f"{length} {whole}")


async def wait(scope, receive, send):
    say("began")
    try:
        await asyncio.sleep(30)
    except Signal as signal:
        say("met", said(signal))
        say("history", *(type(one.signal).__name__ for one in asyncio.current_task().history))
        raise


async def body_then_wait(scope, receive, send):
    await read(receive)
    await wait(scope, receive, send)


@on_disconnect("ask")
async def ask(scope, receive, send):
    say("began")
    gone = await wait_requested(ClientDisconnected)
    say("asked", gone)
    assert requested(ClientDisconnected) is gone
    await asyncio.sleep(0)
    say("went on")


@run_to_end
async def whole(scope, receive, send):
    say("began")
    await asyncio.sleep(1)
    await text(send, "late")
    say("done", requested(Signal))


async def stream(scope, receive, send):
    await start(send)
    say("began")
    try:
        while True:
            await body(send, b"x" * 65536, more=True)
    except Signal as signal:
        say("met", said(signal))
        raise


async def slow(scope, receive, send):
    await start(send)
    for _ in range(10):
        await body(send, b"x" * 1000, more=True)
        await asyncio.sleep(0.05)
    await body(send, b"end")
    say("done")


async def events(scope, receive, send):
    await start(send, (b"content-type", b"text/event-stream"))
    await body(send, b"data: first\n\n", more=True)
    say("began")
    got = await until(Drain, asyncio.sleep(30))
    await body(send, f"data: {got.reason}\n\n".encode(), more=True)
    await body(send)


async def masked(scope, receive, send):
    say("began")
    with mask(Terminate):
        await asyncio.sleep(0.5)
        say("booked")
    await text(send, "booked")


async def deaf(scope, receive, send):
    say("began")
    while True:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError as error:
            say("swallowed", type(error).__name__)


async def half(scope, receive, send):
    await start(send)
    await body(send, b"half", more=True)
    await wait(scope, receive, send)


async def sends_after(scope, receive, send):
    say("began")
    try:
        await asyncio.sleep(30)
    except Interrupt:
        for _ in range(3):
            await text(send, "too late")
        say("sent")


async def fails(scope, receive, send):
    await asyncio.sleep(0.05)
    raise ValueError("the app's own")


async def watched(scope, receive, send):
    """As Starlette's StreamingResponse does: the app itself waits for the disconnect."""
    await read(receive)
    say("began")
    message = await receive()
    say("received", message["type"])
    await asyncio.sleep(0.1)
    say("cleaned up")


async def socket(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await SOCKETS[scope["path"]](receive, send)


async def socket_echo(receive, send):
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    say("received", message["type"])


async def socket_busy(receive, send):
    say("began")
    try:
        await asyncio.sleep(30)
    except Signal as signal:
        say("met", said(signal))
        raise


async def socket_slow(receive, send):
    """Takes a message a tenth of a second, and echoes it."""
    for _ in range(5):
        await asyncio.sleep(0.1)
        await send({"type": "websocket.send", "text": (await receive())["text"]})


async def socket_polite(receive, send):
    say("began")
    got = await until(Drain, asyncio.sleep(30))
    await send({"type": "websocket.send", "text": f"bye: {got.reason}"})


SOCKETS = {"/ws/echo": socket_echo, "/ws/busy": socket_busy, "/ws/slow": socket_slow, "/ws/polite": socket_polite}
ROUTES = {
    f"/{route.__name__}": route
    for route in (
        hello, echo, after_a_while, wait, body_then_wait, ask, whole, stream, slow, events, masked, deaf, half,
        sends_after, fails, watched,
    )
}  # fmt: skip


async def lifespan(receive, send):
    await receive()
    say("up")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("closed")
    await send({"type": "lifespan.shutdown.complete"})


async def bare(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await socket(scope, receive, send)
    elif route := ROUTES.get(scope["path"]):
        await route(scope, receive, send)
    else:
        await text(send, scope["path"])


options = json.loads(os.environ.get("OPTIONS", "{}"))
if "ladder" in options:
    options["ladder"] = Ladder.parse(options["ladder"])
app = SignalMiddleware(bare, **options)
