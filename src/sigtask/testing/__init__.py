"""Test programs that use asyncio: send a signal at every await, and run timers without waiting for them.

`explore` sends an operation a signal at each of its awaits, one run for each::

    explore(transfer).assert_passed()

`FakeClockLoop` is an event loop whose clock jumps, so a `main` that sleeps for an hour returns at once::

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        runner.run(main())

The loop uses only public parts of asyncio: a selector that does not wait, and a loop that reads its clock from it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..report import counted

if TYPE_CHECKING:
    from ._explore.exploration import Exploration, Failure, Point
    from ._explore.exploring import explore, explore_async

__all__ = ["Exploration", "Failure", "FakeClockLoop", "Point", "explore", "explore_async", "turns"]

SHOWN = 10
"""How many tasks of a deadlock are named."""


class FakeClockLoop(asyncio.SelectorEventLoop):
    """An event loop for tests. When nothing is ready, its clock jumps to the next timer instead of waiting for it.

    The clock starts at 0. Real I/O and `call_soon_threadsafe` work and are served first, but the clock does not wait
    for them: while a thread or a process works and a timer is set, the timer wins. `time.time()` and `time.monotonic()`
    are not changed.

    When nothing is ready and no timer is set, the loop waits `patience` real seconds for I/O or another thread.

    Raises:
        RuntimeError: From `run_until_complete`, when nothing came within `patience`. This is a deadlock; the message
            names the tasks that wait.

    Example::

        with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
            runner.run(asyncio.sleep(3600))
            print(runner.get_loop().time())  # 3600.0

    .. versionadded:: 0.1.0
    """

    patience = 2.0
    """How long it waits, in real seconds, before it calls a deadlock."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector(self)
        super().__init__(self._jumping)

    def time(self) -> float:
        """The fake time, in seconds since the loop was made."""
        return self._jumping.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward, as if the running code had blocked the loop. Timers fire at the next turn.

        Args:
            seconds: How far, 0 or more.

        Raises:
            ValueError: When `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds!r}): the clock of {self!r} goes forward only")
        self._jumping.now += seconds


async def turns(n: int) -> None:
    """Let the loop turn `n` times. Everything that is ready runs in each turn; no time passes.

    If cancelled, it ends as `asyncio.sleep(0)` does.

    Example::

        queue = asyncio.Queue()
        task = asyncio.create_task(queue.put("tea"))
        await turns(1)
        print(queue.get_nowait())  # tea

    .. versionadded:: 0.1.0
    """
    for _ in range(n):
        await asyncio.sleep(0)


class _JumpingSelector(selectors.BaseSelector):
    """The platform's selector, but for `select`, which moves the clock where the other would wait."""

    def __init__(self, loop: FakeClockLoop) -> None:
        self.now = 0.0
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def jump(self, seconds: float) -> None:
        """Move the clock on; past the loop's resolution, a step more: else the timer would never be due."""
        self.now += seconds
        if self.now + 1e-9 == self.now:
            self.now = math.nextafter(self.now, math.inf)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or timeout is not None:
            if not events and timeout is not None and timeout > 0:
                self.jump(timeout)
            return events
        if events := self._real.select(self._loop.patience):
            return events
        waiting = sorted(repr(task) for task in asyncio.all_tasks(self._loop))
        told = ", ".join(waiting[:SHOWN]) or "no task at all"
        if others := len(waiting[SHOWN:]):
            told += f", and {counted(others, 'other')}"
        raise RuntimeError(f"deadlock: nothing is ready, no timer is set, and these wait for ever: {told}")

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


_HOMES = {"exploration": ("Exploration", "Failure", "Point"), "exploring": ("explore", "explore_async")}


def __getattr__(name: str) -> Any:
    """What explores is imported when somebody asks for it."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}._explore.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
