"""When the middleware begins to listen for the client in the app's place."""

from __future__ import annotations

from asyncio import TimerHandle, get_running_loop
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._exchange import Exchange

PATIENCE = 0.02
"""Seconds for which the app may be busy before somebody listens for the client in its place; up to twice as many."""


class Patience:
    """Start the listeners of exchanges that last longer than `PATIENCE`: one timer for all, as most end sooner."""

    def __init__(self) -> None:
        self._new: dict[Exchange, None] = {}
        self._older: dict[Exchange, None] = {}
        self._timer: TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """It waits."""
        self._new[exchange] = None
        if self._timer is None:
            self._timer = get_running_loop().call_later(PATIENCE, self._turn)

    def discard(self, exchange: Exchange) -> None:
        """It waits no more."""
        self._new.pop(exchange, None)
        self._older.pop(exchange, None)

    def _turn(self) -> None:
        due, self._older, self._new = self._older, self._new, {}
        self._timer = None
        if self._older:
            self._timer = get_running_loop().call_later(PATIENCE, self._turn)
        for exchange in due:
            exchange.listen()
