"""Limits how many jobs end in one turn of the loop.

Dask needs about a millisecond of the worker's loop for each job that ends with an error. Thousands that end in one turn
would block the loop for seconds, and signals, heartbeats and the report would wait behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """Lets so many through per turn of the loop, in order. A few do not wait at all."""

    def __init__(self, room: int) -> None:
        self._room = self._left = room
        self._queue: deque[asyncio.Future[None]] = deque()
        self._turning = False

    def enter(self, waiter: asyncio.Future[None]) -> None:
        """Complete this future when its turn has come; now, if there is room. A future that is done takes no turn."""
        if not self._turning:
            self._turning = True
            loop = waiter.get_loop()
            loop.call_soon(self._turn, loop)
        self._queue.append(waiter)
        self._let_out()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = self._room
        self._let_out()
        self._turning = self._left < self._room
        if self._turning:
            loop.call_soon(self._turn, loop)

    def _let_out(self) -> None:
        while self._queue and self._left:
            if not (waiter := self._queue.popleft()).done():
                waiter.set_result(None)
                self._left -= 1
