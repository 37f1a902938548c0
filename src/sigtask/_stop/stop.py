"""`stop()`: stop some tasks by a ladder, and wait for them (R25)."""

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
    """Stop these tasks: send the rungs of `ladder` in turn until all tasks have ended, and report what happened.

    All tasks are signalled first and then waited for together, so stopping a hundred takes as long as the slowest. A
    rung ends as soon as all tasks have. A Drain rung is skipped when no loaded code could react to a Drain. Grace
    begins when the last task has been told. In a task that is being stopped itself, the ladder is shortened to the time
    that is left.

    A Drain and a Kill also go to all descendants: tasks that a target has spawned, and theirs. The rungs between go to
    the targets, and to descendants that an earlier rung was thrown into.

    Errors of the tasks are in the report and are not raised. A task that still runs at the end is in
    `Report.survivors`. After a Kill, and while the loop turns, this can only be a stock asyncio task that swallows
    `cancel()`; before it, a descendant that was sent nothing but a Drain.

    If `stop()` itself is cancelled, it raises at once. The tasks keep the signals they were sent, and get no more.

    Args:
        tasks: The tasks to stop, all in the running loop.
        ladder: Default: drain 10 s, terminate 5 s, kill.
        reason: The `reason` of the signals, any object.

    Returns:
        A `Report`.

    Raises:
        ValueError: Without tasks, or for a task of another loop.
        TypeError: For something that is not a task or a ladder.
        RuntimeError: When the calling task is among them.

    Example::

        task = create_task(asyncio.sleep(3600))
        report = await stop(task, ladder=Ladder.parse("terminate=5s,kill"), reason="closing")
        print(report.tasks[0].ended)  # ended by Terminate

    .. versionadded:: 0.1.0
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
        raise TypeError(
            f"ladder is {ladder!r:.200}; give a sigtask.Ladder, for example Ladder.parse('terminate=5s,kill')"
        )
    asker = current()
    if speed is not None and speed.all_belong(tasks, loop, asker):
        return
    for task in tasks:
        if not is_task(task):
            if isinstance(task, (list, tuple, set, frozenset)):  # of 20,000 tasks the text would be of megabytes
                what, hint = f"a {type(task).__name__} of {len(task)}", "say stop(*tasks)"
            else:
                what, hint = repr(task), "wrap a coroutine with asyncio.create_task()"
            raise TypeError(f"stop() takes asyncio tasks, got {what}; {hint}")
        if task.get_loop() is not loop:
            raise ValueError(f"{task!r} belongs to another loop; call stop() in a coroutine that runs there")
        if task is asker:
            raise RuntimeError(f"{task!r} cannot stop() itself; raise a signal, or send one with send_signal()")
