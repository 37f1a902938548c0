"""A request and its response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..serving._reasons import DeadlineExceeded
from ..signals import Signal
from ._exchange import Exchange, Message, Scope, Send

CHUNKS = 64
"""After so many pieces of a response the loop has a turn: a server's `send()` to a client that is gone never waits."""

_CLOSE = (b"connection", b"close")

_BODY = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")


class HttpExchange(Exchange):
    """A request and its response."""

    __slots__ = ()

    def is_readable(self) -> bool:
        """As in the base class: the body has been read, or there is none."""
        return self.readable or _has_no_body(self.scope)

    def _noted(self, message: Message) -> Message:
        if message["type"] == "http.disconnect":
            self.client_gone(message)
        elif not message.get("more_body", False):
            self.readable = True
        return message

    def _is_last(self, message: Message) -> bool:
        return not message.get("more_body", False)

    def send(self, message: Message) -> Awaitable[None]:
        """As in the base class; while the server stops, the response says that the connection will be closed."""
        if self._over or self.finished:
            return asyncio.sleep(0)
        kind = message["type"]
        if kind == "http.response.start":
            self.started, self._trailers = True, message.get("trailers", False)
            if self._service.in_flight.stopping is not None and self.scope.get("http_version", "1.1")[0] == "1":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        elif message.get("more_body", False):
            self._chunks += 1
            if self._chunks % CHUNKS == 0 or self.gone is not None:
                return self._send_and_turn(message)
        elif kind == "http.response.trailers":
            if not message.get("more_trailers", False):
                return self._be_finished(message)
        elif kind in _BODY and not self._trailers:
            return self._be_finished(message)
        return self._send(message)

    def _be_finished(self, message: Message) -> Awaitable[None]:
        self.finished = True
        if self._waiting:
            self._stop_waiting_to_listen()
        return self._send(message) if self._deadline is None else self._send_last(message)

    async def _send_last(self, message: Message) -> None:
        """What the app does after its response has no deadline."""
        await self._send(message)
        self._deadline = None

    async def _finish_for(self, ended_by: Signal) -> None:
        if self.started:
            return  # the server sees that it is not whole, and cuts the connection
        if self.gone is not None:  # nobody reads it, but middlewares and logs want to see a response
            await answer(self.scope, self._send, 499, "")
        elif isinstance(ended_by.reason, DeadlineExceeded):
            await answer(self.scope, self._send, 504, "The time for this request is over.\n")
        else:
            await answer(self.scope, self._send, 503, "The server is stopping.\n")


async def answer(scope: Scope, send: Send, status: int, text: str) -> None:
    """Send a whole plain text response, after which the connection is closed."""
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if scope.get("http_version", "1.1")[0] == "1":
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _has_no_body(scope: Scope) -> bool:
    """Whether the request certainly has no body. The body is never read before the app asks for it."""
    http_1, length = scope.get("http_version", "1.1")[0] == "1", None
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            return False
    if length is not None:
        return bool(length == b"0")
    return http_1 or scope["method"] in ("GET", "HEAD", "OPTIONS")
