"""A plain TCP server whose connections are stopped by a ladder."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from .._core.factory import create_task
from .._core.handling import is_handling
from .._core.task import Task
from ..ladder import Ladder
from ..signals import Interrupt
from ._in_flight import InFlight
from ._reasons import ClientDisconnected

Connected = Callable[[StreamReader, StreamWriter], Coroutine[Any, Any, None]]

_LAST_BYTES = 1.0
"""Seconds that a client has to take what was written, when its handler has ended and the server stops."""


@contextlib.asynccontextmanager
async def start_server(
    handler: Connected, host: Any = None, port: Any = None, *, ladder: Ladder | None = None, **options: Any
) -> AsyncIterator[asyncio.Server]:
    """An async context manager: `asyncio.start_server`, with an orderly stop.

    Each connection is handled in a `sigtask.Task`, and closed when its handler has ended. When the connection breaks,
    the handler gets `Interrupt(ClientDisconnected(...))`; a client that has shut down its sending half, or over TLS has
    closed, is noticed by reading alone. At the end of the block, the server takes no more connections, and the handlers
    get `Drain(ServerStopping(...))` and then the rest of `ladder`.

    If cancelled at the end of the block, the ladder goes on by itself.

    Args:
        handler: An async function of `(reader, writer)`.
        host: As for `asyncio.start_server`.
        port: As for `asyncio.start_server`.
        ladder: For the handlers. Default: drain 10 s, terminate 5 s, kill.
        options: Other options of `asyncio.start_server`.

    Raises:
        TypeError: For something that is not a ladder, or a handler that cannot be called.
        OSError: When the port cannot be opened, as `asyncio.start_server`.

    Example::

        async def echo(reader, writer):
            while line := await reader.readline():
                writer.write(line)

        async with sigtask.serving.start_server(echo, "127.0.0.1", 0) as server:
            print(server.is_serving())  # True

    .. versionadded:: 0.2.0
    """
    if not callable(handler):
        raise TypeError(f"start_server() takes an async function of (reader, writer), got {handler!r}")
    connections = _Connections(handler, InFlight(ladder))
    is_serving = options.pop("start_serving", True)
    server = await asyncio.start_server(connections.made, host, port, start_serving=False, **options)
    try:
        if is_serving:
            await server.start_serving()  # not above: asyncio leaves it open when that is cancelled
        yield server
    finally:
        server.close()
        await connections.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_BYTES):  # a client may be in the middle of its TLS handshake
                await server.wait_closed()


class _Connections:
    """The connections of one server."""

    def __init__(self, handler: Connected, in_flight: InFlight) -> None:
        self._handler, self._in_flight = handler, in_flight
        self._closing: dict[asyncio.Task[None], StreamWriter] = {}
        self._is_open = True

    def made(self, reader: StreamReader, writer: StreamWriter) -> None:
        """A client has connected."""
        if not self._is_open:  # it was accepted just before
            writer.transport.abort()
            return
        peer = writer.get_extra_info("peername")
        task = create_task(self._handle(reader, writer), name=f"connection from {peer}")
        self._in_flight.add(task)
        closed = asyncio.get_running_loop().create_task(self._watch(writer, task, peer))
        self._closing[closed] = writer
        closed.add_done_callback(self._closing.pop)
        task.add_done_callback(self._ended)

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await self._handler(reader, writer)
        finally:
            writer.close()

    async def _watch(self, writer: StreamWriter, task: Task[None], peer: object) -> None:
        try:
            await writer.wait_closed()
        except OSError as error:  # lost, and not closed by the handler
            if not is_handling(task.get_coro(), error):  # else its read or drain has told it, and this is its cleanup
                task.send_signal(Interrupt(ClientDisconnected("the connection was lost"), sender=f"client {peer}"))

    def _ended(self, task: asyncio.Task[None]) -> None:
        assert isinstance(task, Task)
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": f"the handler of a {task.get_name()} failed", "exception": error, "task": task}
            )

    async def end(self) -> None:
        """Stop the handlers, then abort connections whose client does not take the last bytes."""
        self._is_open = False
        await self._in_flight.ended("the server shuts down")
        if self._closing:
            await asyncio.wait(list(self._closing), timeout=_LAST_BYTES)
        for writer in list(self._closing.values()):
            writer.transport.abort()
        if self._closing:
            await asyncio.wait(list(self._closing))


start_server.__module__ = "sigtask.serving"
