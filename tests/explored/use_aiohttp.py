"""aiohttp's client: a session with one connection."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
from http_server import served
from uses import Use

REAL = {"real_time": True}


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


USES = [
    Use("aiohttp", "`get()` in a session, one connection", aiohttp_get, aiohttp_session, aiohttp_usable, REAL),
]
