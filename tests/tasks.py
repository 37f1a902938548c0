"""What many tests do with tasks: have one wait, start it, see how it ends and what it was sent."""

from __future__ import annotations

import asyncio
import inspect

from sigtask.testing import turns


async def forever():
    await asyncio.get_running_loop().create_future()


async def started(coro, **kwargs):
    """A task that has come to its first await."""
    task = asyncio.create_task(coro, **kwargs)
    await turns(1)
    return task


async def end_of(task):
    """Wait for a task; gives what it returned, or the exception that ended it."""
    await asyncio.wait([task])
    try:
        return task.result()
    except BaseException as error:
        return error


def fates(task):
    return [(type(d.signal), d.fate) for d in task.history]


def me():
    return asyncio.current_task()


def now():
    return asyncio.get_running_loop().time()


def line_of(function, text):
    """The number of the line of `function` that has `text` in it."""
    lines, first = inspect.getsourcelines(function)
    return first + next(index for index, line in enumerate(lines) if text in line)
