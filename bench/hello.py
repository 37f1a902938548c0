"""A hello-world server: `hello.py aiohttp|uvicorn asyncio|uvloop stock|sigtask PORT`. `/cpu` says what it has used."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module
from typing import Any

from contenders import prepare


def cpu() -> bytes:
    """Seconds of processor time so far."""
    return f"{time.process_time():.6f}".encode()


async def serve_aiohttp(port: int) -> None:
    """As its documentation has it."""
    web: Any = import_module("aiohttp.web")

    async def hello(request: Any) -> Any:
        return web.Response(body=cpu() if request.path == "/cpu" else b"Hello, world")

    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/cpu", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.get_running_loop().create_future()


async def serve_uvicorn(port: int) -> None:
    """With its own choice of HTTP parser."""
    uvicorn: Any = import_module("uvicorn")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = cpu() if scope["path"] == "/cpu" else b"Hello, world"
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, port=port, log_level="error", access_log=False, lifespan="off")
    await uvicorn.Server(config).serve()


def main(server: str, loop: str, kind: str, port: int) -> None:
    """Serve until killed."""
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        prepare(runner.get_loop(), kind)
        runner.run({"aiohttp": serve_aiohttp, "uvicorn": serve_uvicorn}[server](port))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
