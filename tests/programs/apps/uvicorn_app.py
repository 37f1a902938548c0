"""A small ASGI app with slow and hostile handlers; served by `python -m uvicorn ... uvicorn_app:app`."""

import asyncio
import threading
import time
from urllib.parse import parse_qs

BODY = b"x" * 50_000


def accepted(scope):
    ids = parse_qs(scope["query_string"].decode()).get("id", ["0"])
    print("accepted", ids[0], time.monotonic(), flush=True)
    return ids[0]


async def slow(scope, send):
    which = accepted(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(5):
        await send({"type": "http.response.body", "body": BODY, "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": f"end of {which}".encode()})


async def swallow(scope, send):
    accepted(scope)
    while True:
        try:
            await asyncio.sleep(1000)  # swallow: the line
        except asyncio.CancelledError:
            print("swallowed", flush=True)


async def block(scope, send):
    accepted(scope)
    time.sleep(1000)  # block: the line


def never_ends():
    time.sleep(1000)  # thread: the line


async def thread(scope, send):
    threading.Thread(target=never_ends, name="never-ends", daemon=False).start()
    accepted(scope)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"started"})


HANDLERS = {f"/{handler.__name__}": handler for handler in (slow, swallow, block, thread)}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await HANDLERS[scope["path"]](scope, send)
