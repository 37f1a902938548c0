"""What a program that is being stopped waits for, in one line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from .._core.task import Task
from .._stop.places import task_place, thread_place, thread_places
from .children import waiting_for


def slowest_of(tasks: Sequence[asyncio.Task[Any]], *, is_blocked: bool) -> str:
    """Where the first remaining task is that waits for no child, or where the loop is blocked."""
    if is_blocked or any(task is asyncio.current_task(task.get_loop()) for task in tasks):
        return f"the loop is blocked at {thread_place(threading.main_thread().ident or 0)}"
    if not tasks:
        return ", ".join(filter(None, (waiting_for(), thread_places())))
    parents = {task._parent for task in tasks if isinstance(task, Task)}
    first = next((task for task in tasks if task not in parents), tasks[0])  # a parent just waits for its children
    return f"{first.get_name()} at {task_place(first)}"
