"""Run one call of a handler: in a task of ours, with a deadline, whichever task the server has made for it."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from .._core.factory import create_task
from .._core.task import Task
from ..signals import Signal
from ._context import carry_back
from ._in_flight import InFlight
from ._reasons import DeadlineExceeded

_T = TypeVar("_T")


async def call(
    coro: Coroutine[Any, Any, _T],
    name: str,
    in_flight: InFlight,
    *,
    deadline: float | None = None,
    on_cancel: Callable[[Task[_T]], object],
) -> Task[_T]:
    """Run the handler to its end, and return its task, which is done.

    A plain `cancel()` of the calling task calls `on_cancel(task)`; a signal is passed on. In both cases the handler is
    waited for. The caller decides what happens with its own cancellation. Context variables that the handler sets are
    seen by the caller.
    """
    context = copy_context()
    task = create_task(coro, name=name, context=context)
    in_flight.add(task)
    task.add_done_callback(in_flight.discard)
    timer = None
    if deadline is not None:
        late = DeadlineExceeded("the time for this request is over")
        timer = asyncio.get_running_loop().call_later(deadline, in_flight.end, task, late)
    await _outlast(task, on_cancel)
    if timer is not None:
        timer.cancel()
    carry_back(context)
    return task


async def _outlast(task: Task[_T], on_cancel: Callable[[Task[_T]], object]) -> None:
    try:
        await asyncio.wait([task])
    except CancelledError as error:
        if isinstance(error, Signal):
            task.send_signal(error)
        else:
            on_cancel(task)
        while not task.done():  # here, so that the calling task is still seen to handle its signal
            await _outlast(task, on_cancel)
