"""`to_process` and `ProcessPool`: plain functions in worker processes, with the signals of the waiting tasks."""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop, CancelledError, Future
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from .._core.asking import forwarding
from .._core.stock import current
from ..threads._callables import check_plain
from ._children import children_of
from ._errors import check_grace, pickled
from ._program import GRACE
from ._workers import Call, Worker

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

preparing = False
"""Whether this is a worker that is importing the program's `__main__`."""


class ProcessPool:
    """A pool of worker processes for plain functions. Linux and macOS.

    Workers are started when they are needed. At the end of an `async with` block the functions at work are waited for,
    and the workers end; if the block is left by an exception, they are killed. A pool belongs to the loop in which it
    is first used. Without a block, its workers end with that loop.

    Args:
        max_workers: The largest number of workers. Default: the number of CPUs.

    Raises:
        ValueError: For less than one worker.

    Example::

        async with ProcessPool(2) as pool:
            print(await pool.run(pow, 2, 10))  # 1024

    .. versionadded:: 0.1.0
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and (not isinstance(max_workers, int) or max_workers < 1):
            raise ValueError(f"ProcessPool(max_workers={max_workers!r:.200}): give 1 or more, or leave it out")
        self._most = max_workers or os.cpu_count() or 1
        self._workers: set[Worker] = set()
        self._free: list[Worker] = []
        self._waiting: deque[Future[None]] = deque()
        self._loop: AbstractEventLoop | None = None
        self._closing: Future[None] | None = None

    def __repr__(self) -> str:
        at_work = sum(worker.call is not None for worker in self._workers)
        return f"<ProcessPool of up to {self._most}: {at_work} at work, {len(self._free)} idle>"

    async def run(self, fn: Callable[[*_Ts], _T], *args: *_Ts, grace: float = GRACE) -> _T:
        """Call `fn(*args)` in a worker of this pool. See `to_process`; cancelling works the same.

        Raises:
            RuntimeError: When the pool is closed, or belongs to another loop.
            Exception: As `to_process`.
        """
        return await self._run("ProcessPool.run()", fn, args, grace)  # type: ignore[no-any-return]  # what fn returns

    async def _run(self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], grace: float) -> Any:
        self._check(name, fn, grace)
        payload = pickled(fn, args, name)
        task = current()
        worker = await self._take()
        call = worker.give(payload, getattr(fn, "__qualname__", repr(fn)), grace)
        del payload
        try:
            with forwarding(task, call):
                return await call.relay
        except CancelledError as error:
            if call.trace:
                error.add_note(f"In the worker process {worker.popen.pid}:\n{call.trace}")
            raise
        finally:
            self._abandon(worker, call)
            del call, worker, task

    def _check(self, name: str, fn: object, grace: float) -> None:
        check_plain(
            fn,
            name,
            "in the worker there is no loop for it. Await it here, or give a plain function that calls asyncio.run()",
        )
        check_grace(grace, name)
        if preparing:
            raise RuntimeError(
                f"{name} was called while a worker imports the program's main module; there, put what runs it under "
                f'`if __name__ == "__main__":`, as for multiprocessing'
            )
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError(f"{self!r} belongs to another loop; make one for each loop")
        self._check_open()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise RuntimeError(f"{self!r} is closed; make a new one")

    # -- workers --------------------------------------------------------------------------------------------------

    async def _take(self) -> Worker:
        """An idle worker. If cancelled, it takes none."""
        while not self._free:
            if len(self._workers) < self._most:
                self._workers.add(worker := Worker(self._is_idle, self._is_gone))
                return worker
            self._waiting.append(turn := asyncio.get_running_loop().create_future())
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._next()  # pass our turn on
                raise
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
            self._check_open()
        return self._free.pop()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _is_idle(self, worker: Worker) -> None:
        self._free.append(worker)
        if self._closing is not None:
            worker.leave()
        else:
            self._next()

    def _is_gone(self, worker: Worker) -> None:
        self._workers.discard(worker)
        if worker in self._free:
            self._free.remove(worker)
        self._next()  # there is room for another
        if self._closing is not None and not self._workers and not self._closing.done():
            self._closing.set_result(None)

    def _abandon(self, worker: Worker, call: Call) -> None:
        """Nobody waits for the call any more, after a Kill or because the coroutine was closed: end it."""
        if worker.call is call:
            worker.kill()

    # -- the end --------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(kill=error is not None)
        if error is None and self._closing is not None:
            await self._closing

    def close(self, *, kill: bool = False) -> None:
        """Take no more calls, and end the workers when their functions end; with `kill`, now. It does not wait."""
        if self._closing is None:
            self._closing = (self._loop or asyncio.get_running_loop()).create_future()
        if not self._workers and not self._closing.done():
            self._closing.set_result(None)
        while self._waiting:
            self._next()  # tell those who wait for a worker
        for worker in tuple(self._workers):
            if kill:
                worker.kill()
            elif worker.call is None:
                worker.leave()


async def to_process(fn: Callable[[*_Ts], _T], *args: *_Ts, grace: float = GRACE) -> _T:
    """Call `fn(*args)` in a worker process, wait for it, and return its result. Linux and macOS.

    The function gets the signals of the waiting task. It, its arguments and its result are pickled, so define it at the
    top level of a module. The workers, one per CPU, belong to the loop and end with it. Inside the function,
    `requested`, `accept`, `mask`, `catch`, `checkpoint`, `defer` and `time_left` work. A signal sent to the waiting
    task does this to the function:

    - a Drain, and what is pending in the task otherwise, is pending there, unless a mask of the task holds it;
    - an Interrupt or a Terminate is raised at its next bytecode, unless masked; a system call that waits is
      interrupted;
    - a plain `cancel()` is raised once as a plain `CancelledError`, and not while it handles a signal;
    - a Kill is a SIGKILL to the worker and to what the function has started. The task ends at once.

    If cancelled or signalled, `to_process` waits for the function to end. If the function returns a result all the
    same, so does `to_process`; if the signal came after that, the result is lost. If it has not started yet, it is
    never called.

    Args:
        fn: A plain function that can be pickled.
        args: Its arguments. For keyword arguments, give a `functools.partial`.
        grace: Seconds from the signal to a SIGKILL when no ladder is at work that ends with a Kill. Time in a mask does
            not count; an Interrupt that was raised ends it.

    Returns:
        What `fn` returns.

    Raises:
        TypeError: When `fn` is async or cannot be called, and for what cannot be pickled.
        ValueError: For a `grace` that is negative or not finite.
        WorkerDied: When the worker process ended before the function did.
        RemoteError: When the function raised an exception that cannot be pickled.
        RuntimeError: When a worker that imports the main module calls it: use `if __name__ == "__main__":` there.
        NotImplementedError: On Windows.
        Exception: Whatever `fn` raises, with the traceback of the worker as its `__cause__`.

    Example::

        print(await to_process(pow, 2, 10))  # 1024

    .. versionadded:: 0.1.0
    """
    home = children_of(asyncio.get_running_loop())
    if home.pool is None:
        home.pool = ProcessPool()
    return await home.pool._run("to_process()", fn, args, grace)  # type: ignore[no-any-return]  # what fn returns


for _thing in (ProcessPool, to_process):
    _thing.__module__ = "sigtask"
