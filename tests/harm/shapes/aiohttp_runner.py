"""aiohttp's AppRunner in main, cleaned up in `finally`"""
# harm: needs aiohttp
# harm: serves /
# harm: also ^C
# harm: function main
# harm: must TERM: cleanup: on_cleanup

import asyncio
import os

from aiohttp import web

SECONDS = float(os.environ["SECONDS"])


async def on_cleanup(app):
    await asyncio.sleep(0.2)
    print("cleanup: on_cleanup", flush=True)


async def handle(request):
    return web.Response(text="ok")


async def main():
    app = web.Application()
    app.on_cleanup.append(on_cleanup)
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await runner.cleanup()
        print("cleanup: main", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
