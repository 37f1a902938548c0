"""`async with server: await server.serve_forever()`, with a connection open"""
# harm: serves /
# harm: also ^C, INT 1s INT
# harm: order any
# harm: function main

import asyncio
import os


async def handle(reader, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        await reader.readuntil(b"never")
    finally:
        writer.close()
        print("cleanup: connection", flush=True)


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", int(os.environ["PORT"]))
    try:
        async with asyncio.timeout(3600):
            print("ready", flush=True)
            await server.serve_forever()
    finally:
        server.close()
        print("cleanup: server closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
