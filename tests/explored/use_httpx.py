"""httpx: a client with one connection."""

import asyncio
from contextlib import asynccontextmanager

import httpx
from http_server import served
from uses import Use

REAL = {"real_time": True}


@asynccontextmanager
async def httpx_client():
    async with served() as url:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(
            limits=limits, timeout=httpx.Timeout(5, pool=0.3), trust_env=False, verify=False
        ) as client:
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


USES = [
    Use("httpx", "`get()` in a client, one connection", httpx_get, httpx_client, httpx_usable, REAL),
    Use("httpx", "`stream()`, one connection", httpx_stream, httpx_client, httpx_usable, REAL),
]
