"""What a task may ask of its own inbox: `requested` and `wait_requested` (R12)."""

from __future__ import annotations

import asyncio
from typing import TypeVar, overload

from ._function import Function
from ._inbox import Inbox
from ._task import here
from .signals import Signal, level_of

_S = TypeVar("_S", bound=Signal)


@overload
def requested() -> Signal | None: ...
@overload
def requested(cls: type[_S]) -> _S | None: ...
def requested(cls: type[Signal] = Signal) -> Signal | None:
    """The strongest signal of that class that the running task holds, or `None` (R12). It stays held.
    It works in a function under `to_thread` or `to_process`, too.

    Raises: `RuntimeError` outside of these, `TypeError` for what is no signal class.
    """
    inbox = _listening(cls, "requested()")
    return inbox.requested(cls) if inbox.held else None


@overload
async def wait_requested() -> Signal: ...
@overload
async def wait_requested(cls: type[_S]) -> _S: ...
async def wait_requested(cls: type[Signal] = Signal) -> Signal:
    """Wait until the running task holds a signal of that class, and give the strongest; it stays held (R12).

    Returns at once when there is one. A signal that is thrown ends the wait as it ends any other. When cancelled, it
    leaves nothing behind.

    Raises: as `requested`.
    """
    inbox = _listening(cls, "wait_requested()")
    while (signal := inbox.requested(cls)) is None:
        entry = (cls, asyncio.get_running_loop().create_future())
        inbox.add_waiter(entry)
        try:
            await entry[1]
        finally:
            inbox.remove_waiter(entry)
    return signal


def _listening(cls: object, call: str) -> Inbox:
    level = level_of(cls, call, kill=True)
    task = here(call)
    if isinstance(task, Function):
        task.listen(level)
    inbox = task._mailbox()
    inbox.listens_at = min(inbox.listens_at, level)
    return inbox
