"""Clients with exact books: what each has sent, and what came of it. wrk counts requests, and does not say which.

booker   books one order after the other, each with an id of its own, on a connection that is kept alive
leaver   asks for a long report, and goes away before it is there
waiter   asks for a long report, and waits, however long it takes
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from asyncio import StreamReader, StreamWriter
from collections import Counter
from dataclasses import dataclass, field

REPORT = "/report?seconds=4"
LONGEST = 30.0
"""Seconds that a client waits for an answer."""


class Torn(Exception):
    """A part of an answer came, and no more."""


@dataclass
class Books:
    """What the clients know."""

    answered: dict[str, int] = field(default_factory=dict)
    """By order: the status of the whole answer."""
    refused: set[str] = field(default_factory=set)
    """Orders that were sent on a connection that the server closed without a byte: not accepted, if it is true."""
    torn: list[str] = field(default_factory=list)
    reports: Counter[int] = field(default_factory=Counter)
    """By status: the reports that were waited for."""
    waiting: dict[object, float] = field(default_factory=dict)
    """Since when: the reports that somebody waits for."""


class Client:
    """A connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: tuple[StreamReader, StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None, *headers: str) -> int | None:
        """The status of a whole answer; `None` when the server has closed the connection without a byte.

        Raises: `Torn`; `ConnectionRefusedError` when nobody listens.
        """
        reader, _ = await self.send(method, path, body, *headers)
        head = b""
        try:
            async with asyncio.timeout(LONGEST):
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                await reader.readexactly(int(fields[b"content-length"]))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            if head or getattr(error, "partial", b""):
                raise Torn(method, path) from error
            return None
        if fields.get(b"connection") == b"close":
            self.close()
        return int(head.split(b" ", 2)[1])

    async def send(
        self, method: str, path: str, body: object = None, *headers: str
    ) -> tuple[StreamReader, StreamWriter]:
        """Send a request, and wait for nothing."""
        data = b"" if body is None else json.dumps(body).encode()
        while self._line is None:
            with contextlib.suppress(ConnectionResetError):  # the server is just closing
                self._line = await asyncio.open_connection("127.0.0.1", self._port)
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
        head = "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""])
        self._line[1].write(head.encode() + data)
        return self._line

    def close(self) -> None:
        """Go away."""
        if self._line is not None:
            self._line[1].close()
            self._line = None


async def booker(port: int, name: str, books: Books, first: str) -> None:
    """Until nobody listens any more."""
    client, number = Client(port), 0
    while True:
        number += 1
        order = f"{name}-{number}"
        try:
            status = await client.ask("POST", "/orders", {"id": order, "item": first if number == 1 else "tea"})
        except ConnectionRefusedError:
            return
        except (Torn, TimeoutError):
            books.torn.append(order)
            client.close()
            continue
        if status is None:
            books.refused.add(order)
        else:
            books.answered[order] = status


async def leaver(port: int, chance: random.Random) -> None:
    """Until nobody listens any more."""
    client = Client(port)
    while True:
        try:
            await client.send("GET", REPORT)
        except ConnectionRefusedError:
            return
        await asyncio.sleep(chance.uniform(0.05, 0.3))
        client.close()
        await asyncio.sleep(chance.uniform(0.1, 0.5))


async def waiter(port: int, books: Books, *headers: str) -> None:
    """Until nobody listens any more."""
    client, key = Client(port), object()
    while True:
        books.waiting[key] = time.monotonic()
        try:
            status = await client.ask("GET", REPORT, None, *headers)
        except ConnectionRefusedError:
            return
        except (Torn, TimeoutError):
            books.torn.append("a report")
            client.close()
            continue
        finally:
            del books.waiting[key]
        if status is not None:
            books.reports[status] += 1
