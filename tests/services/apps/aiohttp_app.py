"""An aiohttp application with signals. Each handler prints what it meets."""

import asyncio
import contextvars
import json
import os
import sys

from aiohttp import web

from sigtask import Drain, Ladder, Signal, Terminate, mask, requested, until, wait_requested
from sigtask.aiohttp import ClientDisconnected, on_disconnect, run_app, run_to_end, setup


def say(*words):
    print(*words, flush=True)


async def hello(request):
    return web.Response(text="hello")


async def wait(request):
    say("began")
    try:
        await asyncio.sleep(30)
    except Signal as signal:
        say("met", type(signal).__name__, type(signal.reason).__name__)
        raise


@on_disconnect("ask")
async def ask(request):
    say("began")
    await wait_requested(ClientDisconnected)
    say("asked")
    return web.Response()


@run_to_end
async def whole(request):
    say("began")
    await asyncio.sleep(0.3)
    say("done", requested(Signal))
    return web.Response()


async def events(request):
    response = web.StreamResponse()
    await response.prepare(request)
    say("began")
    got = await until(Drain, asyncio.sleep(30))
    await response.write(f"data: {got.reason}".encode())
    return response


async def half(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    await wait(request)


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    say("began")
    try:
        while True:
            await response.write(b"x" * 65536)
    except Signal as signal:
        say("met", type(signal).__name__, type(signal.reason).__name__)
        raise


async def echo(request):
    return web.Response(body=await request.read())


async def upload(request):
    say("began")
    try:
        await request.read()
    finally:
        await asyncio.sleep(0.05)
        say("cleaned up")


request_id = contextvars.ContextVar("request_id", default=None)


async def named(request):
    request_id.set("7")
    return web.Response(text="named")


async def note(request, response):
    response.headers["X-Request-Id"] = str(request_id.get())


async def socket(request):
    ws = web.WebSocketResponse(timeout=0.5)
    await ws.prepare(request)
    say("began")
    got = await until(Drain, ws.receive())
    if isinstance(got, Drain):
        await ws.close(code=1012, message=str(got.reason).encode())
    return ws


async def masked(request):
    say("began")
    with mask(Terminate):
        await asyncio.sleep(0.5)
        say("booked")
    return web.Response(text="booked")


async def resources(app):
    yield
    say("closed")


options = json.loads(os.environ["OPTIONS"])
if "ladder" in options:
    options["ladder"] = Ladder.parse(options["ladder"])
timeout = options.pop("shutdown_timeout", 60)
app = web.Application()
app.add_routes([web.get(f"/{f.__name__}", f) for f in (hello, wait, ask, whole, events, half, masked, stream, socket)])
app.add_routes([web.post("/echo", echo), web.post("/upload", upload), web.get("/named", named)])
app.on_response_prepare.append(note)
app.cleanup_ctx.append(resources)
setup(app, **options)
run_app(app, host="127.0.0.1", port=int(sys.argv[1]), shutdown_timeout=timeout, print=None)
