"""Who descends from whom, among the tasks of one loop (R25)."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import Any

from ._task import Task


def descendants(targets: Iterable[asyncio.Task[Any]], loop: AbstractEventLoop) -> list[Task[Any]]:
    """Every living task spawned by one of these, or by one spawned by them; a task whose parent ended is nobody's."""
    targets = [task for task in targets if not (isinstance(task, Task) and task._ref is None)]
    if not targets:
        return []  # none of them ever spawned a task: no need to look through all there are
    children: dict[asyncio.Task[Any], list[Task[Any]]] = {}
    for task in asyncio.all_tasks(loop):
        if isinstance(task, Task) and task._parent is not None and (parent := task._parent()) is not None:
            children.setdefault(parent, []).append(task)
    found: list[Task[Any]] = []
    seen, queue = set(targets), list(targets)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                queue.append(child)
    return found
