"""What tasks that `main` has left behind had to say at their end: it is told as `asyncio.run` tells it (R29)."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import Any


def tell_errors(loop: AbstractEventLoop, tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Call the loop's exception handler for each of these tasks that has failed."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            message = "unhandled exception during asyncio.run() shutdown"
            loop.call_exception_handler({"message": message, "exception": error, "task": task})
