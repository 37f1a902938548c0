"""Who spawned whom, among the tasks of one loop: a child knows its parent (R9, R14, R25)."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .task import Task


def adopt(task: Task[Any], parent: Any) -> None:
    """Note who spawned this task (R9, R25), and cover it by the parent's open mask (R14)."""
    task._inbox = None
    task._ref = None
    task._parent = None if parent is None else link(parent)
    cover(task, parent)


def link(parent: Any) -> weakref.ref[Any]:
    """What a child keeps of its parent. A parent that is one of ours notes that it has children."""
    ref = weakref.ref(parent)
    if hasattr(parent, "_ref"):
        parent._ref = ref
    return ref


def cover(task: Task[Any], parent: Any) -> None:
    """R14: a task spawned inside a mask is covered while the mask lasts."""
    inbox = getattr(parent, "_inbox", None)
    if inbox is not None and (top := inbox.cover) is not None:
        task._mailbox().top = top


def descendants(targets: Iterable[asyncio.Task[Any]], loop: AbstractEventLoop) -> list[Task[Any]]:
    """Every living task spawned by one of these, or by one spawned by them; a task whose parent ended is nobody's."""
    targets = [task for task in targets if getattr(task, "_ref", task) is not None]
    if not targets:
        return []  # none of them ever spawned a task: no need to look through all there are
    children: dict[asyncio.Task[Any], list[Any]] = {}
    for task in asyncio.all_tasks(loop):
        link: weakref.ref[Any] | None = getattr(task, "_parent", None)
        if link is not None and (parent := link()) is not None:
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
