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
    """Seconds until the running task gets the next, stronger signal; `None` when no ladder is stopping it.

    A task that was spawned by one that is being stopped has the same time left. It also works in a function under
    `to_thread` or `to_process`. In a stock task it warns and returns `None`.

    Raises:
        RuntimeError: Outside a task and such a function.

    Example::

        async with asyncio.timeout(time_left()):
            await asyncio.sleep(0)

    .. versionadded:: 0.1.0
    """
    stopping = _next_due(host_here("time_left()"))
    return None if stopping is None else stopping.rung_left


def extend(seconds: float) -> float:
    """Ask the ladder that is stopping this task for more time before the next signal.

    The ladder grants up to its `limit`, in all, to all tasks it stops. In a stock task it warns and returns 0.0.

    Args:
        seconds: How much more, above 0.

    Returns:
        The seconds granted: 0.0 when the limit is used up, or no ladder is stopping the task.

    Raises:
        ValueError: When `seconds` is not above 0.
        RuntimeError: Outside a task.

    Example::

        async def flush():
            try:
                await asyncio.sleep(3600)
            finally:
                print("granted:", extend(2))

        ladder = Ladder((Terminate, 5), Kill, limit=10)
        task = create_task(flush())
        await asyncio.sleep(0)
        await stop(task, ladder=ladder)  # granted: 2

    .. versionadded:: 0.1.0
    """
    if not (isinstance(seconds, (int, float)) and seconds > 0):
        raise ValueError(f"extend({seconds!r:.200}): ask for a number of seconds above 0")
    task = host_here("extend()")
    if task is not None and not isinstance(task, Task):
        raise RuntimeError(f"extend() works in a task only, and this is {task!r}; ask for more before it is started")
    stopping = _next_due(task)
    return 0.0 if stopping is None else stopping.extend(seconds)
