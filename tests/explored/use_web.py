"""HTTP clients and websockets, against servers in the same loop."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import httpx
import websockets
from uses import Use

REAL = {"real_time": True, "tasks": "all"}


async def answer(reader, writer):
    """A small HTTP server: keeps the connection, answers with a body in two parts."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")
            await writer.drain()
            await asyncio.sleep(0.001)
            writer.write(b"ll")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def served():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@asynccontextmanager
async def aiohttp_session():
    async with served() as url:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            session.url = url
            yield session
        await asyncio.sleep(0.01)


async def aiohttp_get(session):
    async with session.get(session.url) as response:
        assert await response.text() == "hell"


async def aiohttp_usable(session):
    """With one connection at most, one that was lost would be waited for."""
    async with asyncio.timeout(5):
        await aiohttp_get(session)


@asynccontextmanager
async def httpx_client():
    async with served() as url:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(limits=limits, timeout=5, trust_env=False, verify=False) as client:
            client.url = url
            yield client


async def httpx_get(client):
    assert (await client.get(client.url)).text == "hell"


async def httpx_stream(client):
    async with client.stream("GET", client.url) as response:
        async for _ in response.aiter_bytes(2):
            await asyncio.sleep(0)


async def httpx_usable(client):
    await httpx_get(client)


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
    Use("aiohttp", "`get()` in a session, one connection", aiohttp_get, aiohttp_session, aiohttp_usable, REAL),
    Use("httpx", "`get()` in a client, one connection", httpx_get, httpx_client, httpx_usable, REAL),
    Use("httpx", "`stream()`, one connection", httpx_stream, httpx_client, httpx_usable, REAL),
    Use("websockets", "`connect()`, a message and its echo", ws_echo, ws_server, None, REAL),
]
