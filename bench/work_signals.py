"""Row d: one signal to one blocked task, from the call that sends it to the turn of the loop that sees what came of it.

Who sends is the main task; after each send it gives the loop turns until the task has handled the signal, or is done.
Stock tasks get a plain `cancel()`, with a message where sigtask's signal has a reason.
"""

# ruff: noqa: ASYNC110  # giving the loop turns until it is seen is what is measured

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

from section import Section
from work_tasks import deep

FRAMES = 10
LINKS = 10
CHILDREN = 1000
REASON = "the disk is full"

Send = Callable[[Any], object]
Body = Callable[[], Coroutine[Any, Any, Any]]


async def wait_for_ever() -> None:
    """Blocked on a future that nobody knows."""
    await asyncio.get_running_loop().create_future()


async def tell(tasks: list[Any], send: Send, section: Section) -> None:
    """Send to each in its turn, and see it done before the next."""
    for _ in range(LINKS + 2):
        await asyncio.sleep(0)
    section.start()
    for task in tasks:
        send(task)
        while not task.done():
            await asyncio.sleep(0)
    section.stop()
    assert all(task.cancelled() for task in tasks)


def to_done(send: Send, body: Body = wait_for_ever, each: int = 1) -> Callable[[int, Section], Any]:
    """The workload: n tasks with that body, told one after the other; `each` counts as so many."""

    async def workload(n: int, section: Section) -> None:
        await tell([asyncio.create_task(body()) for _ in range(max(1, n // each))], send, section)

    return workload


async def through_frames() -> None:
    """Blocked ten coroutines down."""
    await deep(FRAMES - 1, wait_for_ever)


async def through_tasks(left: int = LINKS) -> None:
    """Blocked on a task that is blocked on a task, and so on."""
    if left == 1:
        await wait_for_ever()
    else:
        await asyncio.create_task(through_tasks(left - 1))


def to_group(send: Send) -> Callable[[int, Section], Any]:
    """The workload: TaskGroups with a thousand children, told one after the other; n children in all."""

    async def workload(n: int, section: Section) -> None:
        async def body() -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(n, CHILDREN)):
                    tasks.create_task(wait_for_ever())
                await wait_for_ever()

        await tell([asyncio.create_task(body()) for _ in range(max(1, n // CHILDREN))], send, section)

    return workload


def to_handled(send: Send, victim: Callable[[list[int]], Coroutine[Any, Any, None]]) -> Callable[[int, Section], Any]:
    """The workload: one task that handles n signals, one after the other, and goes on waiting."""

    async def workload(n: int, section: Section) -> None:
        handled = [0]
        task = asyncio.create_task(victim(handled))
        await asyncio.sleep(0)
        section.start()
        for i in range(n):
            send(task)
            while handled[0] == i:
                await asyncio.sleep(0)
        section.stop()
        handled[0] = -2  # and one more makes it -1: enough
        send(task)
        await asyncio.wait([task])

    return workload


async def handling(handled: list[int]) -> None:
    """Handle a cancellation, take it back, go on."""
    task: Any = asyncio.current_task()
    while handled[0] >= 0:
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            task.uncancel()
            handled[0] += 1


async def catching(handled: list[int]) -> None:
    """As `handling`, by sigtask's block."""
    sigtask = import_module("sigtask")
    catch, interrupt = sigtask.catch, sigtask.Interrupt
    while handled[0] >= 0:
        with catch(interrupt):
            await wait_for_ever()
        handled[0] += 1


def _cancel(task: Any) -> None:
    task.cancel()


def _cancel_with(task: Any) -> None:
    task.cancel(REASON)


def _table(bare: Send, reasoned: Send, interrupt: Send, caught: Any) -> dict[str, Any]:
    return {
        "done": to_done(bare),
        "reason": to_done(reasoned),
        "handled": to_handled(interrupt, handling),
        "caught": to_handled(interrupt, caught),
        "frames": to_done(reasoned, through_frames),
        "links": to_done(reasoned, through_tasks),
        "tellgroup": to_group(reasoned),
    }


WORKLOADS = _table(_cancel, _cancel_with, _cancel_with, handling)


def _ours() -> dict[str, Any]:
    try:
        sigtask = import_module("sigtask")
    except ImportError:  # where stock tasks alone are measured, nothing else need be there
        return {}
    terminate = sigtask.Terminate

    def bare(task: Any) -> None:
        task.send_signal(terminate)

    def reasoned(task: Any) -> None:
        task.terminate(REASON)

    def interrupt(task: Any) -> None:
        task.interrupt(REASON)

    return _table(bare, reasoned, interrupt, catching)


def __getattr__(name: str) -> Any:
    if name == "SIGTASK":
        return _ours()
    raise AttributeError(name)
