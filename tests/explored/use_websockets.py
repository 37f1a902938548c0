"""websockets: a connection, a message and its echo."""

from contextlib import asynccontextmanager

import websockets
from uses import Use

REAL = {"real_time": True}


@asynccontextmanager
async def ws_server():
    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, close_timeout=1) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def ws_echo(url):
    async with websockets.connect(url, close_timeout=1) as connection:
        await connection.send("hello")
        assert await connection.recv() == "hello"


USES = [
    Use("websockets", "`connect()`, a message and its echo", ws_echo, ws_server, None, REAL),
]
