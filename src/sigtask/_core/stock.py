"""asyncio's own task, as it was when sigtask was imported.

nest_asyncio puts a task written in Python in the place of `asyncio.Task`, before or after. Ours derive from the one in
C all the same, which nothing but its module has then.
"""

from __future__ import annotations

import asyncio
from typing import Any

StockTask: Any
try:
    import _asyncio
except ImportError:  # a Python without it has the other one only
    StockTask = asyncio.Task
else:
    StockTask = _asyncio.Task

# Bound once: a call through `super()` would look each of them up again.
init: Any = StockTask.__init__
cancel: Any = StockTask.cancel
cancelling: Any = StockTask.cancelling
uncancel: Any = StockTask.uncancel
result: Any = StockTask.result
exception: Any = StockTask.exception
iterate: Any = StockTask.__await__
cancelled_error: Any = StockTask._make_cancelled_error
get_shim: Any = StockTask._coro.__get__
"""What a task drives. Not `get_coro`: that of CPython 3.12.1 crashes for a task that started eagerly and is done."""
running_loop: Any = asyncio._get_running_loop
"""The loop that runs in this thread, or `None`. Documented for event loops; `get_running_loop` raises."""


def take_back(task: Any, requests: int) -> None:
    """So many cancel requests are taken back, by asyncio's own `uncancel`: not one that a library put on the task."""
    for _ in range(requests):
        uncancel(task)


def is_task(thing: object) -> bool:
    """Whether it is a task of asyncio's kind, ours or not."""
    return isinstance(thing, (StockTask, asyncio.Task))


def current() -> Any:
    """The running task, or `None`: also with no loop running, as in `Runner.close`."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
