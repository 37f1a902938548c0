"""A small HTTP server for clients to talk to, in the same loop."""

import asyncio
from contextlib import asynccontextmanager


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
