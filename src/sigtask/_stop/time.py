"""What a task that is being stopped may ask its ladder: `time_left()` and `extend()` (R27)."""

from __future__ import annotations

from typing import Any

from .._core.asking import host_here
from .._core.task import Task


def at_work_on(task: Any) -> list[Any]:
    """The ladders at work on this task, or on one it descends from."""
    found: list[Any] = []
    while task is not None:
        inbox = getattr(task, "_inbox", None)
        if inbox is not None:
            found += [stopping for stopping in inbox.stops if not stopping.done.done()]
        task = getattr(task, "_parent", None)
    return found


def _next_due(task: object) -> Any:
    return min(at_work_on(task), key=lambda stopping: stopping.rung_left, default=None)


def time_left() -> float | None:
    """Seconds until the running task gets the next, stronger signal; `None` when no ladder is at work on it (R27).

    A task spawned by one that is being stopped has what that one has, and so has a function that it waits for, under
    `to_thread`. Fits `asyncio.timeout(time_left())`.

    Raises: `RuntimeError` outside a task and such a function.
    """
    stopping = _next_due(host_here("time_left()"))
    return None if stopping is None else stopping.rung_left


def extend(seconds: float) -> float:
    """Ask the ladder at work on the running task for more time before the next signal; gives the seconds granted.

    It grants up to its `limit` in all, to everything it stops; 0.0 when that is used up or no ladder is at work.

    Raises: `RuntimeError` outside a task; `ValueError` when `seconds` is not above 0.
    """
    if not (isinstance(seconds, (int, float)) and seconds > 0):
        raise ValueError(f"extend({seconds!r}): ask for a number of seconds above 0")
    task = host_here("extend()")
    if task is not None and not isinstance(task, Task):
        raise RuntimeError(f"extend() works in a task only, and this is {task!r}; ask for more before it is started")
    stopping = _next_due(task)
    return 0.0 if stopping is None else stopping.extend(seconds)
