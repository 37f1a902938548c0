"""A small aiohttp server with slow and hostile handlers; served by `python -m aiohttp.web ... aiohttp_app:init`."""

import asyncio
import threading
import time

from aiohttp import web

BODY = "x" * 50_000


def accepted(request):
    print("accepted", request.query.get("id", "0"), time.monotonic(), flush=True)


async def slow(request):
    accepted(request)
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(5):
        await answer.write(BODY.encode())
        await asyncio.sleep(0.1)
    await answer.write(f"end of {request.query['id']}".encode())
    await answer.write_eof()
    return answer


async def swallow(request):
    accepted(request)
    while True:
        try:
            await asyncio.sleep(1000)  # swallow: the line
        except asyncio.CancelledError:
            print("swallowed", flush=True)


async def block(request):
    accepted(request)
    time.sleep(1000)  # block: the line
    return web.Response()


def never_ends():
    time.sleep(1000)  # thread: the line


async def thread(request):
    threading.Thread(target=never_ends, name="never-ends", daemon=False).start()
    accepted(request)
    return web.Response(text="started")


def init(argv):
    app = web.Application()
    app.add_routes([web.get(f"/{handler.__name__}", handler) for handler in (slow, swallow, block, thread)])
    return app
