"""What `main` leaves behind: tasks that failed, reported as `asyncio.run` reports them, and loops in threads (R29)."""

from __future__ import annotations

import asyncio
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import Any

from .._stop.stopping import Stopping
from ..ladder import DEFAULT, Ladder
from ..signals import Terminate


def tell_errors(loop: AbstractEventLoop, tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Call the loop's exception handler for each of these tasks that has failed."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            message = "unhandled exception during asyncio.run() shutdown"
            loop.call_exception_handler({"message": message, "exception": error, "task": task})


def let_be_told(stopping: Stopping) -> None:
    """The program is over: in a loop of a thread that is waited for, those may be told who are to be told after main.

    Called in that thread. Not in a daemon thread: Python cuts it short, and aborts where it just holds stdout's lock.
    """
    if not threading.current_thread().daemon:
        stopping.let_everybody_be_told()


def ladder_from_terminate(ladder: Ladder, *, is_begun: bool) -> tuple[Ladder, int]:
    """What those are stopped by that main leaves behind: the ladder, and its first rung of Terminate's level.

    A ladder for OS signals that stops nobody is not for them, unless it is climbed: they are, as by asyncio.run.
    """
    terminate = ladder.from_level(Terminate.level).rungs[0]
    if terminate.signal.level < Terminate.level and not is_begun:
        ladder = DEFAULT.from_level(Terminate.level)
        terminate = ladder.rungs[0]
    return ladder, ladder.rungs.index(terminate)
