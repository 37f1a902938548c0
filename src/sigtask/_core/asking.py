"""What a task may ask of its own inbox, `requested` and `wait_requested` (R12), and what works for it is told."""

from __future__ import annotations

import asyncio
from typing import TypeVar, overload

from ..signals import Signal, level_of
from .function import Function
from .inbox import Inbox, Outside
from .task import Task, here

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


class hearing:
    """`with hearing(task, work):` have `work.hear(signal)` called for each signal that the task holds, now or later.

    Not for what a mask holds, unless `masked`: that is not to reach the task, nor, as a rule, what works for it. It
    does not count as listening (R26). Of a stock task nothing is heard. A report shows the work, as long as it `stays`.
    """

    __slots__ = ("_entry", "_inbox", "_masked", "_work")

    def __init__(self, task: object, work: Outside, *, masked: bool = False) -> None:
        self._inbox = task._mailbox() if isinstance(task, Task) else None
        self._work = work
        self._masked = masked
        self._entry = (Signal, self)  # stands among those who `wait_requested`, and looks like a future to them

    def __enter__(self) -> None:
        if self._inbox is not None:
            self._inbox.outside = (*self._inbox.outside, self._work)
            self._inbox.add_waiter(self._entry)
            for delivery in self._inbox.held:
                self.set_result(delivery.signal)

    def __exit__(self, *exc: object) -> None:
        if self._inbox is not None:
            self._inbox.remove_waiter(self._entry)
            if not self._work.stays:
                self._inbox.outside = tuple(one for one in self._inbox.outside if one is not self._work)

    def done(self) -> bool:
        """Never: the next signal is of interest as well."""
        return False

    def set_result(self, signal: Signal) -> None:
        """The task holds this."""
        if self._inbox is not None and (self._masked or signal.level > self._inbox.mask_level):
            self._work.hear(signal)
