"""aiohttp's `web.run_app()` with `on_shutdown` and `on_cleanup`, and a request under way"""
# harm: needs aiohttp
# harm: serves /
# harm: also ^C, pairs

import asyncio
import os

from aiohttp import web


async def on_startup(app):
    print("ready", flush=True)


async def on_shutdown(app):
    await asyncio.sleep(0.15)
    print("cleanup: on_shutdown", flush=True)


async def on_cleanup(app):
    await asyncio.sleep(0.1)
    print("cleanup: on_cleanup", flush=True)


async def handle(request):
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        await asyncio.sleep(0.5)
        print("cleanup: answered", flush=True)
    except asyncio.CancelledError:
        print("torn: the request was cut", flush=True)
        raise
    return response


app = web.Application()
app.on_startup.append(on_startup)
app.on_shutdown.append(on_shutdown)
app.on_cleanup.append(on_cleanup)
app.router.add_get("/", handle)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
print("cleanup: end", flush=True)
