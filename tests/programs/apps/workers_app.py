"""An ASGI app that says which process and which kind of task answers; served by servers with worker processes."""

import asyncio
import os


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    print(f"up {os.getpid()}\n", end="", flush=True)
    await receive()
    await asyncio.sleep(0.1)
    print("closed\n", end="", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def swallow():
    print("swallowing\n", end="", flush=True)
    while True:
        try:
            await asyncio.sleep(1000)
        except BaseException:
            pass


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["path"] == "/swallow":
        await swallow()
    body = f"{type(asyncio.current_task()).__module__} {os.getpid()}".encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
