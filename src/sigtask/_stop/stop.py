"""`stop()`: put a ladder to some tasks, and wait for it (R25)."""

from __future__ import annotations

import asyncio
import math
from asyncio import AbstractEventLoop
from typing import Any

from .._core.native import speed
from .._core.stock import current, is_task
from ..ladder import DEFAULT, Ladder
from ..report import Report
from .stopping import Stopping
from .time import at_work_on
from .told import told


async def stop(*tasks: asyncio.Task[Any], ladder: Ladder | None = None, reason: object = None) -> Report:
    """Stop these tasks: send each rung of `ladder` in turn until all are done, and report what it took.

    All are signalled first and then waited for together, so a hundred tasks take no longer than the slowest. A rung
    ends as soon as all targets are done; a Drain that no loaded code could hear is skipped (R26). The default ladder is
    drain 10 s, terminate 5 s, kill. Called by a task that is being stopped itself, the ladder is shortened to what is
    left (R27). A rung's grace begins when the last task has been told, which takes time where there are very many.

    The targets' errors are in the report, not raised. Tasks that even a Kill cannot reach are its `survivors`: stock
    tasks that swallow `cancel()`, and none else while the loop turns. If `stop()` itself is cancelled, the targets
    stay where they are, with what they were sent, and the `CancelledError` goes on.

    Raises: `ValueError` without tasks or with a task of another loop; `TypeError` for what is no task or ladder;
    `RuntimeError` when the calling task is among them.
    """
    loop = asyncio.get_running_loop()
    _check(tasks, loop, ladder)
    ladder = DEFAULT if ladder is None else ladder
    asker, seconds = current(), math.inf
    if outer := at_work_on(asker):
        seconds = min(stopping.left for stopping in outer)
        ladder = ladder.within(seconds)
    sender = asker and asker.get_name()
    stopping = Stopping(loop, dict.fromkeys(tasks), ladder, reason, sender=sender, seconds=seconds)
    try:
        stopping.begin()
        return told(await stopping.done, "stop")
    finally:
        stopping.done.cancel()  # else a target would still read its time_left() there
        stopping.detach()


def _check(tasks: tuple[Any, ...], loop: AbstractEventLoop, ladder: object) -> None:
    if not tasks:
        raise ValueError("stop() needs at least one task; to stop all of a program, use sigtask.run()")
    if ladder is not None and not isinstance(ladder, Ladder):
        raise TypeError(f"ladder is {ladder!r}; give a sigtask.Ladder, for example Ladder.parse('terminate=5s,kill')")
    asker = current()
    if speed is not None and speed.all_belong(tasks, loop, asker):
        return
    for task in tasks:
        if not is_task(task):
            hint = (
                "say stop(*tasks)"
                if isinstance(task, (list, tuple, set))
                else "wrap a coroutine with asyncio.create_task()"
            )
            raise TypeError(f"stop() takes asyncio tasks, got {task!r}; {hint}")
        if task.get_loop() is not loop:
            raise ValueError(f"{task!r} belongs to another loop; call stop() in a coroutine that runs there")
        if task is asker:
            raise RuntimeError(f"{task!r} cannot stop() itself; raise a signal, or send one with send_signal()")
