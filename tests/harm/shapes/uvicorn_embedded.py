"""`uvicorn.Server(...).serve()` in main, beside a task of its own, with code behind it and around `asyncio.run()`"""
# harm: needs uvicorn
# harm: serves /
# harm: also ^C, pairs

import asyncio
import os

import uvicorn


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0.2)
        print("cleanup: lifespan ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def background():
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: background", flush=True)


async def main():
    task = asyncio.create_task(background())
    print("ready", flush=True)
    try:
        await uvicorn.Server(uvicorn.Config(app, port=int(os.environ["PORT"]), log_level="warning")).serve()
        print("cleanup: behind serve", flush=True)
        await asyncio.sleep(0)
    finally:
        print("cleanup: main, background running:", not task.done(), flush=True)


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
finally:
    print("cleanup: around run", flush=True)
