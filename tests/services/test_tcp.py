"""`sigtask.serving.start_server`: plain TCP, over real sockets."""

import asyncio
import contextlib
import socket

import pytest
from servers import resets_when_closed

from sigtask import Drain, Ladder, Signal, until
from sigtask.serving import start_server

pytestmark = pytest.mark.os
LADDER = Ladder.parse("drain=200ms,terminate=1s,kill=500ms")


class Handler:
    """Says what it meets."""

    def __init__(self):
        self.began = asyncio.Event()
        self.met = []

    async def __call__(self, reader, writer):
        self.began.set()
        try:
            await self.work(reader, writer)
        except Signal as signal:
            self.met.append((type(signal).__name__, type(signal.reason).__name__))
            raise

    async def work(self, reader, writer):
        await asyncio.sleep(30)


def play(scenario, handler):
    async def main():
        async with asyncio.timeout(20):
            await scenario(handler())

    asyncio.run(main())


async def connect(server):
    return await asyncio.open_connection(*server.sockets[0].getsockname())


def test_a_handler_gets_its_last_words_out():
    class Polite(Handler):
        async def work(self, reader, writer):
            got = await until(Drain, reader.readline())
            writer.write(f"bye: {got.reason}".encode())

    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0) as server:
            reader, writer = await connect(server)
            await handler.began.wait()
        assert await reader.read() == b"bye: the server shuts down"
        writer.close()

    play(scenario, Polite)


async def lost(writer, handler):
    """The connection is lost, and the handler has met something."""
    resets_when_closed(writer.get_extra_info("socket"))
    writer.transport.abort()
    while not handler.met:
        await asyncio.sleep(0.01)


def test_who_does_not_listen_is_terminated():
    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0, ladder=LADDER) as server:
            _, writer = await connect(server)
            await handler.began.wait()
        assert handler.met == [("Terminate", "ServerStopping")]
        writer.close()

    play(scenario, Handler)


def test_a_lost_connection_interrupts_the_handler():
    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0, ladder=LADDER) as server:
            _, writer = await connect(server)
            await handler.began.wait()
            await lost(writer, handler)
        assert handler.met == [("Interrupt", "ClientDisconnected")]

    play(scenario, Handler)


def test_a_handler_that_is_told_by_its_read_is_not_interrupted_in_its_cleanup():
    class Reads(Handler):
        async def work(self, reader, writer):
            try:
                await reader.readline()
            finally:
                await asyncio.sleep(0.1)
                self.met.append("cleaned up")

    async def scenario(handler):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # its ConnectionResetError
        async with start_server(handler, "127.0.0.1", 0, ladder=LADDER) as server:
            _, writer = await connect(server)
            await handler.began.wait()
            await lost(writer, handler)
        assert handler.met == ["cleaned up"]

    play(scenario, Reads)


def test_a_client_that_has_shut_its_half_is_still_there():
    class Answers(Handler):
        async def work(self, reader, writer):
            data = await reader.read()
            await asyncio.sleep(0.1)
            writer.write(data.upper())

    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0) as server:
            reader, writer = await connect(server)
            writer.write(b"abc")
            writer.write_eof()
            assert await reader.read() == b"ABC"
            writer.close()
        assert handler.met == []

    play(scenario, Answers)


def test_a_client_that_takes_no_bytes_does_not_hold_the_end_up():
    class Writes(Handler):
        async def work(self, reader, writer):
            writer.write(b"x" * 20_000_000)
            await writer.drain()

    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0, ladder=LADDER) as server:
            _, writer = await connect(server)
            writer.transport.pause_reading()
            await handler.began.wait()
        writer.transport.abort()

    play(scenario, Writes)


def test_a_handler_that_fails_is_told_of_and_the_server_goes_on():
    class Fails(Handler):
        async def work(self, reader, writer):
            raise ValueError("its own")

    async def scenario(handler):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        async with start_server(handler, "127.0.0.1", 0) as server:
            for _ in range(2):
                reader, writer = await connect(server)
                assert await reader.read() == b""
                writer.close()
        assert [str(error) for error in told] == ["its own"] * 2

    play(scenario, Fails)


def test_a_client_that_connects_at_the_very_end_does_not_hold_it_up():
    """It has been accepted, and its handler would begin a turn later, outside of the block."""

    async def scenario(handler):
        async with start_server(handler, "127.0.0.1", 0, ladder=LADDER) as server:
            with socket.socket() as raw:
                raw.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    raw.connect(server.sockets[0].getsockname())
                for _ in range(3):  # after two, asyncio itself drops it, with an AssertionError
                    await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert not handler.began.is_set() or handler.met == [("Terminate", "ServerStopping")]

    play(scenario, Handler)
