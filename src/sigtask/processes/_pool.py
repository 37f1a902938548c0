"""`to_process` and its pool: plain functions in worker processes, under the same signals as the tasks that wait."""

from __future__ import annotations

import asyncio
import math
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
from ._errors import pickled
from ._program import GRACE
from ._workers import Call, Worker

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

preparing = False
"""Whether this is a worker that is importing the program's `__main__`."""


class ProcessPool:
    """Up to `max_workers` worker processes, started when they are needed; by default as many as there are CPUs.

    `async with ProcessPool(4) as pool: await pool.run(fn, *args)`. At the end of the block the functions at work are
    waited for, and the workers end; when the block is left by an exception they are killed. A pool belongs to the
    loop in which it is first used; without a block, its workers end with that loop.

    Raises: `ValueError` for less than one worker.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"ProcessPool(max_workers={max_workers!r}): give 1 or more, or leave it out")
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
        """As `to_process`, in this pool. Raises also: `RuntimeError` when it is closed, or belongs to another loop."""
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
        if not 0 <= grace < math.inf:
            raise ValueError(f"{name}: grace is {grace!r}; give a number of seconds, 0 or more, and finite")
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
        """A worker with nothing to do. Cancelled, it takes none."""
        while not self._free:
            if len(self._workers) < self._most:
                self._workers.add(worker := Worker(self._is_idle, self._is_gone))
                return worker
            self._waiting.append(turn := asyncio.get_running_loop().create_future())
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._next()  # it was our turn, and is somebody else's now
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
        """Nobody waits for that call any more, by a Kill or because the coroutine was closed: neither does it go on."""
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
        """Take no more calls, and have the workers end: when their functions have, or now. Returns at once."""
        if self._closing is None:
            self._closing = (self._loop or asyncio.get_running_loop()).create_future()
        if not self._workers and not self._closing.done():
            self._closing.set_result(None)
        while self._waiting:
            self._next()  # who waits for a worker is told
        for worker in tuple(self._workers):
            if kill:
                worker.kill()
            elif worker.call is None:
                worker.leave()


async def to_process(fn: Callable[[*_Ts], _T], *args: *_Ts, grace: float = GRACE) -> _T:
    """Call `fn(*args)` in a worker process, and wait for it; gives what it returns, raises what it raises.

    The function, its arguments and what it gives travel by pickle, so it stands at the top level of a module. The
    workers, one for each CPU, are the loop's, and end with it.

    Cancelled, or sent a signal, this passes it on to the function and waits for it to come back. Inside, `requested`,
    `accept`, `mask`, `catch`, `checkpoint`, `defer` and `time_left` work. An Interrupt, a Terminate or a plain
    `cancel()`, the latter once, is raised there at the next bytecode unless masked; a system call that waits is broken
    off. If the function returns all the same, this returns (R8); if it came too late, the result is lost to it.
    Signalled before it has begun, it is not called. A Kill ends this at once, and the worker with a SIGKILL. Where no
    ladder is at work that ends with a Kill, so does `grace` seconds: from the signal on, not counting a mask, until
    an Interrupt has been raised, or the function has ended.

    Raises: `TypeError` for what cannot be called, is async, or does not pickle; `WorkerDied` when the worker process
    ended before the function did; `RemoteError` for an exception that does not pickle.
    """
    home = children_of(asyncio.get_running_loop())
    if home.pool is None:
        home.pool = ProcessPool()
    return await home.pool._run("to_process()", fn, args, grace)  # type: ignore[no-any-return]  # what fn returns


for _thing in (ProcessPool, to_process):
    _thing.__module__ = "sigtask"
