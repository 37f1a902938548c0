"""A WebSocket, from its handshake on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..serving._reasons import ClientDisconnected
from ..signals import Signal
from ._exchange import Exchange, Message

_SERVICE_RESTART = 1012


class WebSocketExchange(Exchange):
    """A WebSocket, from its handshake on."""

    __slots__ = ()

    def _noted(self, message: Message) -> Message:
        self.readable = True
        if message["type"] == "websocket.disconnect":
            self.client_gone(message)
        return message

    def _is_last(self, message: Message) -> bool:
        return False

    def _why_gone(self) -> Exception | ClientDisconnected:
        assert self.gone is not None
        code = self.gone.get("code", 1005)
        if code == _SERVICE_RESTART and self._service.in_flight.stopping is not None:
            return self._service.in_flight.stopping  # it was the server that closed it
        return ClientDisconnected(f"the WebSocket was closed with code {code}")

    def send(self, message: Message) -> Awaitable[None]:
        """As in the base class."""
        if self._over:
            return asyncio.sleep(0)
        if self.gone is not None:
            return self._send_and_turn(message)  # the server may say by an error that nobody is there
        if message["type"] in ("websocket.close", "websocket.http.response.start"):
            self.finished = True
        return self._send(message)

    async def _finish_well(self) -> None:
        if self.gone is None and not self.finished:
            await self._close(_SERVICE_RESTART, "the server is stopping")

    async def _finish_for(self, ended_by: Signal) -> None:
        if self.gone is None:
            await self._close(_SERVICE_RESTART, "the server is stopping")

    async def _close(self, code: int, why: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": why})
