"""Ends of many jobs at once, let out a few at a time.

Dask takes about a millisecond of the worker's loop for each job that ends with an error. Thousands that obey in one
turn would hold the loop for seconds: signals, heartbeats and the very report of their stop would be behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """Lets so many through in one turn of the loop, in the order in which they came; a few are not held up at all."""

    def __init__(self, room: int) -> None:
        self._room = self._left = room
        self._queue: deque[asyncio.Future[None]] = deque()
        self._turning = False

    def enter(self, waiter: asyncio.Future[None]) -> None:
        """Complete this future when its turn has come: now, if there is room. One that is done takes nobody's turn."""
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
