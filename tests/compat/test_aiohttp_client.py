"""aiohttp's client against a server that is slow: a word in the middle of a request leaves nothing open.

ResourceWarning is an error here, and an unclosed session, connector or transport gives one when it is collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

aiohttp = pytest.importorskip("aiohttp")

from peers import BLOCKS, WORDS, ended, me, say, started, told  # noqa: E402

from sigtask import Interrupt, Terminate, catch, mask  # noqa: E402
from sigtask.testing import turns  # noqa: E402

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
ANSWERS = {"before the head": b"", "in the head": HEAD[:20], "in the body": HEAD + b"half "}
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the clock that jumps would call every wait too long


class Slow:
    """A server that says the first part of an answer, and the rest when `go` is set."""

    def __init__(self, part):
        self.part, self.rest = part, (HEAD + b"half done!")[len(part) :]
        self.asked, self.go, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.has_head = asyncio.Event()  # set by the client

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *exc):
        self.go.set()
        self.server.close()
        await self.gone.wait()
        await self.server.wait_closed()

    async def is_in_the_middle(self):
        """The client has what there is of the answer; of half a head it does not say so."""
        await self.asked.wait()
        if self.part.startswith(HEAD):
            await self.has_head.wait()
        await turns(3)

    async def serve(self, reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.part)
            await writer.drain()
            self.asked.set()
            await self.go.wait()
            with contextlib.suppress(ConnectionError):
                writer.write(self.rest)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.gone.set()


async def fetch(server, block, sessions):
    before = me().cancelling()
    async with aiohttp.ClientSession(timeout=NO_TIMEOUT) as session:
        sessions.append(session)
        with block:
            async with session.get(server.url) as response:
                server.has_head.set()
                assert await response.read() == b"half done!"
    return me().cancelling() - before


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    gc.collect()


@pytest.mark.parametrize("at", ANSWERS)
async def test_a_word_in_the_middle_of_a_request_closes_all(at, block):
    assert {word: await asked_and_told(ANSWERS[at], BLOCKS[block](), word) for word in WORDS} == told(block)


async def asked_and_told(part, block, word):
    """How a task ends that is told to in the middle of a request."""
    sessions = []
    async with Slow(part) as server:
        task = await started(fetch(server, block, sessions))
        await server.is_in_the_middle()
        say(task, word)
        await turns(5)
        server.go.set()
        await asyncio.wait([task])
        assert sessions[0].closed  # the killed one's, too, though its `close()` could not wait
        return await ended(task)


@pytest.mark.parametrize("at", ANSWERS)
async def test_a_session_is_of_use_after_a_caught_signal(at):
    async with aiohttp.ClientSession(timeout=NO_TIMEOUT) as session:
        async with Slow(ANSWERS[at]) as slow:
            asyncio.get_running_loop().create_task(tell(slow, me()))
            with catch(Interrupt) as caught:
                async with session.get(slow.url) as response:
                    slow.has_head.set()
                    await response.read()
            assert (caught.signal.reason, me().cancelling()) == ("why", 0)
        async with Slow(b"") as quick:
            quick.go.set()
            async with session.get(quick.url) as response:
                assert await response.read() == b"half done!"
    assert session.closed


async def tell(server, task):
    await server.is_in_the_middle()
    task.interrupt("why")


@pytest.mark.parametrize("at", ANSWERS)
async def test_a_masked_request_is_finished_first(at):
    sessions = []
    async with Slow(ANSWERS[at]) as server:
        task = await started(fetch(server, mask(), sessions))
        await server.is_in_the_middle()
        task.terminate("why")
        await turns(5)
        assert not task.done()
        server.go.set()
        await asyncio.wait([task])
        assert await ended(task) is Terminate and sessions[0].closed
