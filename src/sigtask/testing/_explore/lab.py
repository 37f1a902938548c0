"""Where runs take place: a loop of our own that counts its turns and says when it is stuck, or somebody else's loop.

Both have a `spawn`, through which each coroutine goes that becomes a task, and `bound()`, which calls back when what
runs does not end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Protocol, TypeVar, TypeVarTuple

from ..._core.factory import install, makes_ours, task_factory
from .. import FakeClockLoop, _JumpingSelector
from .left import Left

TURNS = 10_000
"""How many turns of the loop something may take that is to end."""
SECONDS = 10.0
"""How many real seconds it may take where turns cannot be counted, or nothing turns."""

Spawn = Callable[[Any], Any]
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Ground(Protocol):
    """Where runs take place."""

    spawn: Spawn | None
    """What makes a probe of a coroutine that is to become a task."""
    left: Left | None
    """What is left in the loop besides tasks, where that can be known."""
    own_tasks: int
    """How many of the tasks that are seen are the kit's, or of who calls it."""
    made: int
    """How many tasks the loop was asked to make."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is registered with it any more."""
        ...

    def bound(self, stuck: Callable[[str], None]) -> None:
        """Call back, with the reason, when what runs from now on does not end."""
        ...

    def release(self) -> None:
        """It has ended."""
        ...

    def install(self) -> None:
        """Have the loop make sigtask's tasks; again, after a run that has put another factory in."""
        ...

    def start(self, coro: Any, context: Context | None = None) -> Any:
        """A task of the operation's, in that context."""
        ...

    def start_hidden(self, coro: Any) -> Any:
        """A task of the kit's, which the operation is not to see, nor to cancel with all others."""
        ...

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop."""
        ...


class Lab(FakeClockLoop):
    """A loop for runs: its clock jumps, unless `real_time`, and it never waits for what does not come."""

    own_tasks = 0

    def __init__(self, *, real_time: bool = False) -> None:
        self._bounded = self._jumping = _Bounded(self, real_time)
        asyncio.SelectorEventLoop.__init__(self, self._jumping)
        self.spawn: Spawn | None = None
        self.left: Left | None = Left(self)
        self.made = 0
        self._timer: asyncio.TimerHandle | None = None
        self._bounded.pipes = self._bounded.files
        self._bounded.own = frozenset(self._bounded.get_map())
        self.install()

    def install(self) -> None:
        """Have the loop make sigtask's tasks; again, after a run that has put another factory in."""
        if self.get_task_factory() is not task_factory:
            install(self)

    def time(self) -> float:
        """The fake time, or the real one."""
        return asyncio.SelectorEventLoop.time(self) if self._bounded.real_time else self._bounded.now

    def create_task(self, coro: Any, **kwargs: Any) -> Any:
        """As asyncio's. A task is ours here also where the program has put its own factory in."""
        self.made += 1
        return super().create_task(coro if self.spawn is None else self.spawn(coro), **kwargs)

    def start(self, coro: Any, context: Context | None = None) -> Any:
        """A task of the operation's, in that context."""
        return task_factory(self, coro) if context is None else task_factory(self, coro, context=context)

    def start_hidden(self, coro: Any) -> Any:
        """A task of the kit's, which the operation is not to see, nor to cancel with all others."""
        task = task_factory(self, coro)
        asyncio._unregister_task(task)
        return task

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's. Those of the operation are noted."""
        handle = super().call_at(when, callback, *args, context=context)
        if self.left is not None:
            self.left.scheduled(handle, callback)
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """As asyncio's. What the operation has a thread do is noted."""
        if self.left is None or not (executor is None or isinstance(executor, ThreadPoolExecutor)):
            return super().run_in_executor(executor, func, *args)
        handed_over = self.left.handed_over(func)
        future = super().run_in_executor(executor, handed_over.function, *args)
        handed_over.wait()
        return future

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        """As asyncio's. Those of the operation are noted."""
        super().add_signal_handler(sig, callback, *args)
        if self.left is not None:
            self.left.handles(sig, is_so=True)

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's."""
        if self.left is not None:
            self.left.handles(sig, is_so=False)
        return super().remove_signal_handler(sig)

    def bound(self, stuck: Callable[[str], None]) -> None:
        """Call back, with the reason, when what runs from now on does not end."""
        self._bounded.stuck, self._bounded.turns = stuck, 0
        if self._bounded.real_time:
            self._timer = self.call_later(SECONDS, stuck, f"after {SECONDS:g} s")

    def release(self) -> None:
        """It has ended."""
        self._bounded.stuck = None
        if (timer := self._timer) is not None:
            timer.cancel()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Itself."""
        return self

    @property
    def files(self) -> frozenset[int]:
        """The descriptors that are registered with it, without its own."""
        if self._bounded.files <= self._bounded.pipes:
            return frozenset()
        return frozenset(self._bounded.get_map()) - self._bounded.own

    @property
    def did_io(self) -> bool:
        """Whether anything but the loop itself was ever registered with it, or handed to a thread."""
        return self._bounded.did_io

    @property
    def is_clean(self) -> bool:
        """Whether nothing is registered with it any more."""
        return self._bounded.files <= self._bounded.pipes


class _Bounded(_JumpingSelector):
    """The selector that counts the loop's turns, and notices when it would wait for ever."""

    def __init__(self, lab: Lab, real_time: bool) -> None:
        super().__init__(lab)
        self.lab = lab
        self.real_time = real_time
        self.turns = 0
        self.files = 0  # how many are registered,
        self.pipes = 0  # and how many of them are the loop's own
        self.own: frozenset[int] = frozenset()
        self.did_io = False
        self.stuck: Callable[[str], None] | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        self.turns += 1
        if self.turns > TURNS and (stuck := self.stuck) is not None:
            self.stuck = None
            stuck(f"after {TURNS:,} turns of the loop")
            return []
        if timeout is not None and timeout <= 0:
            if self.files <= self.pipes and self.turns % 64:
                return []  # nothing to look at but the loop's own pipe, which wakes who waits
            return self._real.select(0)
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> list[Any]:
        if timeout is not None and self.real_time:
            return self._real.select(timeout)
        if (events := self._real.select(0)) or timeout is not None:
            if not events and timeout is not None:
                self.jump(timeout)
            return events
        if self.stuck is None:
            return super().select(None)
        if self._may_come and (events := self._real.select(SECONDS if self.real_time else self.lab.patience)):
            return events
        stuck, self.stuck = self.stuck, None
        stuck("nothing is ready, and no timer is set")
        return []

    @property
    def _may_come(self) -> bool:
        """Whether somebody could still wake the loop: a file, or another thread, idle as it may be."""
        return self.files > self.pipes or threading.active_count() > 1

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        self.did_io = self.pipes > 0
        key = super().register(fileobj, events, data)
        self.files += 1
        return key

    def unregister(self, fileobj: Any) -> Any:
        key = super().unregister(fileobj)
        self.files -= 1
        return key


class Guest:
    """The loop that runs already, for `explore_async`: every task that it makes meanwhile goes through `spawn`."""

    own_tasks = 2  # of who awaits it, and the one that keeps the state

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.spawn: Spawn | None = None
        self.left: Left | None = None
        self.made = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_clean(self) -> bool:
        """Nobody knows: what is registered with it is not ours."""
        return True

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs."""
        return self.loop

    def bound(self, stuck: Callable[[str], None]) -> None:
        """Call back, with the reason, when what runs from now on takes too long: no turns are counted here."""
        seconds = 1e9 if isinstance(self.loop, FakeClockLoop) else SECONDS
        self._timer = self.loop.call_later(seconds, stuck, f"after {SECONDS:g} s")

    def release(self) -> None:
        """It has ended."""
        if (timer := self._timer) is not None:
            timer.cancel()

    def start(self, coro: Any, context: Context | None = None) -> Any:
        """A task of the operation's, in that context."""
        return self.loop.create_task(coro, context=context)

    def start_hidden(self, coro: Any) -> Any:
        """A task of the kit's; here it is seen."""
        return self.loop.create_task(coro)

    def install(self) -> None:
        """Have the loop make sigtask's tasks; again, after a run that has put another factory in."""
        if self.loop.get_task_factory() != self._make:
            self.loop.set_task_factory(self._make)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the loop make our tasks for a while; then it has the factory back that it had."""
        before = self.loop.get_task_factory()
        install(self.loop)
        self.install()
        try:
            yield
        finally:
            self.loop.set_task_factory(before)

    def _make(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
        self.made += 1
        return task_factory(loop, coro if self.spawn is None else self.spawn(coro), **kwargs)


makes_ours.add(Guest._make)
