"""a server whose main says goodbye to its connections in `finally`, and waits for their handlers"""
# harm: serves /
# harm: also ^C, pairs
# harm: function main
# harm: must TERM: cleanup: said goodbye with 1001

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])
handlers = set()


async def handle(goodbye, writer):
    handlers.add(asyncio.current_task())
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await goodbye.wait()
        await asyncio.sleep(0.1)
        writer.write(b"1001")
        await writer.drain()
        print("cleanup: said goodbye with 1001", flush=True)
    except asyncio.CancelledError:
        print("torn: the connection was cut with 1011", flush=True)
        raise
    finally:
        writer.close()


async def main():
    goodbye = asyncio.Event()
    server = await asyncio.start_server(lambda _, writer: handle(goodbye, writer), "127.0.0.1", int(os.environ["PORT"]))
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        goodbye.set()
        await asyncio.gather(*handlers)
        server.close()
        print("cleanup: server closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
