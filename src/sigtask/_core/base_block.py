"""What the four blocks share: each is opened in one task, and closed there, innermost first (R17).

A block belongs to the task it was entered in. In a stock task, blocks do nothing and warn. In a thread that runs a
plain function for a task, a block belongs to the function, which opens and closes it under its lock
(`host.ThreadHost`).
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..signals import KILL_LEVEL, Signal
from .host import running
from .inbox import Inbox
from .native import speed
from .stock import current
from .task import Task

_P = ParamSpec("_P")
_R = TypeVar("_R")

_OURS = __name__.partition(".")[0]
UNUSED, OPEN, CLOSED, _INERT = "has not been entered", "is open", "has been used", "is open in a stock task"


class PyBlock:
    """What a block has. In C, these and those of each block are fields (`speed_block.c`)."""

    __slots__ = ("inbox", "state")

    masks = 0
    accepts = KILL_LEVEL
    plain = False


def slots(*names: str) -> tuple[str, ...]:
    """The slots of one kind of block, unless C has fields for them."""
    return names if speed is None else ()


if TYPE_CHECKING:
    _Block = PyBlock
else:
    _Block = PyBlock if speed is None else speed.Block


class BaseBlock(_Block):
    """One block: opened in one task, closed in the same, innermost first (R17)."""

    __slots__ = ()

    def __init__(self) -> None:
        self.inbox: Inbox | None = None
        self.state = UNUSED

    def _enter(self) -> Inbox | None:
        """Open it; `None` where it has no effect, in a stock task."""
        if self.state is not UNUSED:
            raise RuntimeError(f"{self!r} {self.state}; make a new one for each `with`")
        task = current()
        if isinstance(task, Task):
            inbox = task._inbox or task._mailbox()
            inbox.blocks = (*inbox.blocks, self)
        elif task is None and (function := running.function) is not None:
            function.open(self)
            inbox = function._mailbox()
        elif task is None:
            raise nobody_here(repr(self))
        else:
            warn_of_stock(repr(self))
            self.state = _INERT
            return None
        self.inbox, self.state = inbox, OPEN
        if inbox.pending and task is not None:
            task._look_later()
        return inbox

    def _leave(self, leaving: bool = False) -> Inbox | None:
        """Close it; `leaving` says that an exception passes through. `None` where it had no effect."""
        inbox = self.inbox
        if inbox is None:
            if self.state is _INERT:
                self.state = CLOSED
                return None
            raise RuntimeError(f"{self!r} is not open")
        if (function := running.function) is not None and function.has_open(self):
            self.state = CLOSED
            function.close(self, leaving=leaving)
            return inbox
        blocks, task = inbox.blocks, inbox.task()
        wrong = None
        if task is not current():
            wrong = self._left_elsewhere(task)
        elif blocks[-1:] != (self,):
            wrong = f"{self!r} was left while {blocks[-1]!r}, opened inside it, is open; close that one first"
        inbox.blocks = blocks[:-1] if wrong is None else tuple(block for block in blocks if block is not self)
        self.inbox, self.state = None, CLOSED
        if task is not None and (inbox.pending or inbox.plain_held):
            task._look_later()
        del task
        if wrong is not None:
            raise RuntimeError(wrong)
        return inbox

    def _left_elsewhere(self, owner: object) -> str:
        return (
            f"{self!r} was entered in {owner!r} and left in {current()!r}; a block must open and close in one task. "
            f"An async generator that is abandoned inside a block does this: use contextlib.aclosing() (PEP 789)"
        )

    def handles(self, signal: Signal) -> bool:
        return False

    def take(self, task: Any, signal: Signal) -> bool:
        return False

    def _fresh(self) -> Any:
        raise NotImplementedError

    def _around(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R | None]]:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"@{self!r} needs an async function (async def), got {fn!r:.200}")

        @functools.wraps(fn)
        async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
            with self._fresh():
                return await fn(*args, **kwargs)
            return None

        return wrapper


class PassingBlock(BaseBlock):
    """A block that lets every exception pass."""

    __slots__ = ()

    def __call__(self, fn: Callable[_P, Coroutine[Any, Any, _R]]) -> Callable[_P, Coroutine[Any, Any, _R]]:
        """As a decorator of an async function: each call runs inside a block of its own."""
        return self._around(fn)  # type: ignore[return-value]  # `None` is for blocks that swallow an exception


def nobody_here(call: str) -> RuntimeError:
    """The error for a call outside any task and function."""
    return RuntimeError(
        f"{call} works in a task, or in a function under to_thread() or to_process(), and none runs here; call it in a "
        f"coroutine that runs as a task, as in sigtask.run(main())"
    )


def warn_of_stock(call: str) -> None:
    """Warn that this call has no effect, because a stock task gets no signals.

    Each line of the user's code is warned about once.
    """
    level, frame = 1, sys._getframe().f_back
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"{call} does nothing in a stock asyncio task: call sigtask.install() before it is created, or start the "
        f"program with sigtask.run()",
        RuntimeWarning,
        stacklevel=level + 1,
    )
