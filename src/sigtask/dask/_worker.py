"""The worker's side: each job is a sigtask task, and each worker runs its part of a ladder by itself.

The host stands in between: when a signal ends the job, Dask's worker sees an ordinary error, `Stopped`, and no
`CancelledError`. Dask cancels the host only when the worker closes; the job is then asked, too.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from distributed import Reschedule, Worker, WorkerPlugin, get_worker

from .._core import listening
from .._core.factory import task_factory
from .._core.scopes import wrap_scopes
from .._core.task import Task
from .._stop.stopping import Stopping
from ..ladder import Ladder
from ..report import Report
from ..signals import Kill, Signal, Terminate
from . import _distributed as dask
from ._errors import Stopped
from ._gate import Gate
from ._leaving import retire_on_sigterm
from ._reports import packed
from ._wire import WIRE, Message, decoded, ladder_read

NAME = "sigtask"
CLOSING = Ladder((Terminate, 2), Kill)
"""What is left to the jobs of a worker that closes: its nanny gives it four seconds."""

ENDS_AT_A_TIME = 8
"""How many jobs Dask is told of in one turn of the loop when more have ended: some ten milliseconds of its work."""

WATCH = 0.5
"""Seconds between two looks at whether the worker closes; none is taken while it has no job."""


class WorkerSide(WorkerPlugin):
    """The jobs of one worker. `host` makes one where the plugin has not come yet."""

    name = NAME
    _worker: Worker

    def setup(self, worker: Worker) -> None:
        """Dask calls it when the plugin comes to a worker."""
        self._worker = worker
        self._jobs: dict[str, Task[Any]] = {}
        self._early: dict[str, list[Signal]] = {}
        self._watching = False
        self._ends = Gate(ENDS_AT_A_TIME)
        self._climbing: dict[str, Stopping] = {}
        self._known = False  # to the scheduler, as one that has the plugin
        self._asking = asyncio.Lock()
        calls: dict[str, Callable[..., Any]] = {
            "sigtask-stop": self._stop,
            "sigtask-signal": self._signal,
            "sigtask-early": self._tell_early,
            "sigtask-leave": self._leave,
        }
        dask.listen(worker, calls)
        self._stopped: dict[str, str] = {}  # what is to be logged of jobs that are just ending so
        self._log = dask.StoppedQuietly(self._stopped.get)
        self._log.install()
        _adopt_jobs_children(asyncio.get_running_loop())
        retire_on_sigterm(worker)
        worker.log_event(NAME, {"worker": worker.address, "wire": WIRE})  # where nobody listens, it is just an event

    def teardown(self, worker: Worker) -> None:
        """Dask calls it when the worker closes, or takes another plugin of that name."""
        self._log.remove()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Dask calls it as a task changes its state here. Dask lets a job it has let go of run on; we do not."""
        self._stopped.pop(key, None)
        if finish not in ("released", "forgotten"):
            return
        if start not in ("executing", "long-running"):
            self._early.pop(key, None)
            return
        let_go = Terminate(dask.why_let_go(self._worker, key))
        if (task := self._jobs.get(key)) is not None:
            task.send_signal(let_go)
        else:  # Dask calls it executing, and `host` is still to begin: it is not one of ours, or must not
            self._early.setdefault(key, []).append(let_go)

    # -- a job's life -------------------------------------------------------------------------------------------------

    async def run(self, key: str, body: Callable[[], Any], what: str = "") -> Any:
        """Run the job, which calls the function of the name `what`, and give what it returns.

        Raises: what it raises, and `Stopped`; `Reschedule` in a worker that retires, where it would miss its ladder.
        """
        if not self._known:
            await self._become_known()
        if dask.retires(self._worker) and key not in self._early:
            raise Reschedule
        began: list[bool] = []
        coro: Any = _noting(began, body)
        coro.__qualname__ = what  # what its row in a report names
        task = Task(coro, name=key, loop=asyncio.get_running_loop())
        self._jobs[key] = task
        if not self._watching:
            self._watching = True
            task.get_loop().call_later(WATCH, self._watch)
        for signal in self._early.pop(key, ()):
            task.send_signal(signal)
        try:
            await self._wait(task)
        finally:
            del self._jobs[key]
        if task.cancelled():
            stopped = Stopped(key, task.ended_by, self._worker.address, began=bool(began))
            self._stopped[key] = str(stopped)
            raise stopped
        return task.result()

    async def _become_known(self) -> None:
        """Ask what the jobs here were told on other workers. The scheduler answers only workers with the plugin."""
        async with self._asking:
            if not self._known:
                for key, signals in (await dask.ask_from_worker(self._worker, "sigtask_told", wire=WIRE)).items():
                    self._tell_early(key, signals)
                self._known = True

    def _watch(self) -> None:
        """A worker that closes tells its nanny first, and waits for that; a nanny that hangs must not keep it back."""
        why = dask.why_it_closes(self._worker)
        for task in self._jobs.values() if why is not None else ():
            task.terminate(why)
        self._watching = bool(self._jobs) and why is None
        if self._watching:
            asyncio.get_running_loop().call_later(WATCH, self._watch)

    async def _wait(self, task: Task[Any]) -> None:
        out: asyncio.Future[None] = task.get_loop().create_future()
        task.add_done_callback(lambda _: self._ends.enter(out))
        try:
            await out
        except asyncio.CancelledError:
            why = dask.why_it_closes(self._worker) or "Dask has cancelled it"
            stopping = Stopping(task.get_loop(), [task], CLOSING, why, sender=self._worker.address)
            stopping.begin()
            await stopping.done

    # -- signals ------------------------------------------------------------------------------------------------------

    def _signal(self, keys: list[str], signal: Message) -> None:
        """A signal for some jobs; one that has not begun gets it as it begins."""
        sent = decoded(signal)
        for key in keys:
            if (task := self._jobs.get(key)) is not None:
                task.send_signal(sent)
            elif dask.knows(self._worker, key):
                self._early.setdefault(key, []).append(sent)

    def _tell_early(self, key: str, signals: list[Message]) -> None:
        """The job comes with the next message, and it has been signalled already."""
        self._early.setdefault(key, []).extend(decoded(signal) for signal in signals)

    # -- ladders ------------------------------------------------------------------------------------------------------

    def _stop(
        self,
        number: str,
        keys: list[str],
        ladder: Message,
        reason: Message,
        sender: str | None,
        retiring: bool = False,  # what has not begun may begin elsewhere
    ) -> None:
        """Run a ladder on these jobs, and report when it is over."""
        told = decoded(reason)
        running = {key: task for key in keys if (task := self._jobs.get(key)) is not None}
        unstarted = [key for key in keys if key not in running]
        for key in unstarted:  # it is here, and about to be: it never will
            if dask.knows(self._worker, key) and not retiring:
                self._early.setdefault(key, []).append(told)
        unbegun = [] if retiring else unstarted
        dask.send_to_scheduler(self._worker, {"op": "sigtask-ack", "number": number, "unbegun": unbegun})
        granted = partial(self._granted, number)
        loop = asyncio.get_running_loop()
        stopping = Stopping(loop, running.values(), ladder_read(ladder), told.reason, sender=sender, on_extend=granted)
        self._climbing[number] = stopping
        stopping.done.add_done_callback(partial(self._report, number, running, unstarted))
        stopping.begin()

    def _granted(self, number: str, seconds: float) -> None:
        dask.send_to_scheduler(self._worker, {"op": "sigtask-granted", "number": number, "seconds": seconds})

    def _report(
        self, number: str, running: dict[str, Task[Any]], unstarted: list[str], done: asyncio.Future[Report]
    ) -> None:
        self._climbing.pop(number, None)
        if done.cancelled():
            return
        report = done.result()
        message = {
            "op": "sigtask-report",
            "number": number,
            "tasks": packed(report.tasks, f"at {self._worker.address}"),
            "rungs": [asdict(rung) for rung in report.rungs],
            "threads": [asdict(thread) for thread in report.threads],
            "left": [key for key, task in running.items() if _is_left(task)],
            "unstarted": unstarted,
        }
        dask.send_to_scheduler(self._worker, message)

    def _leave(self, number: str) -> None:
        """The client's `stop()` was cancelled: the jobs keep what they were sent (R25)."""
        if (stopping := self._climbing.pop(number, None)) is not None:
            stopping.done.cancel()
            stopping.detach()


async def _noting(began: list[bool], body: Callable[[], Any]) -> Any:
    """The job; told to end before its first step, it never comes here (R7)."""
    began.append(True)
    return await body()


def _is_left(task: Task[Any]) -> bool:
    """Whether something of the job still runs after the ladder: in a thread, or in a coroutine that was left behind."""
    inbox = task._inbox
    return not task.done() or (inbox is not None and any(one.left_behind() for one in inbox.outside))


def _adopt_jobs_children(loop: asyncio.AbstractEventLoop) -> None:
    """Make tasks that a job spawns sigtask tasks, and leave Dask's own tasks alone."""
    before: Any = loop.get_task_factory()
    if before is task_factory or getattr(before, "of_sigtask", False):
        return

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
        if isinstance(asyncio.current_task(loop), Task):
            return task_factory(loop, coro, **kwargs)
        return asyncio.Task(coro, loop=loop, **kwargs) if before is None else before(loop, coro, **kwargs)

    marked: Any = factory
    marked.of_sigtask = True
    wrap_scopes()
    loop.set_task_factory(marked)


async def host(key: str, isolated: bool, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What Dask runs in place of the job."""
    worker = get_worker()
    if NAME not in worker.plugins:  # Dask tells of no way to know when plugins have come: the job brings its own
        await worker.plugin_add(WorkerSide(), name=NAME, catch_errors=False)
    plugin: Any = worker.plugins[NAME]
    listening.look_through(fn)  # R26: it may ask for a Drain later, and has come from a module that is not here
    what = getattr(fn, "__qualname__", type(fn).__qualname__)
    return await plugin.run(key, partial(_body, isolated, partial(fn, *args, **kwargs)), what)


async def _body(isolated: bool, call: partial[Any]) -> Any:
    # Imported when first needed: a worker may never run a job of either kind.
    if isolated:
        from ..processes import to_process

        return await to_process(call)
    if is_async(call.func):
        return await call()
    from ..threads import to_thread

    return await to_thread(call, limiter=_slots)


def is_async(fn: object) -> bool:
    """Whether calling it returns a coroutine."""
    while isinstance(fn, partial):
        fn = fn.func
    call: object = getattr(fn, "__call__", None)  # noqa: B004  # the method, of an object that has it async
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)


class _Slots:
    """`to_thread` needs no limit of its own: Dask's worker counts what runs at a time."""

    async def acquire(self) -> None:
        """There is always room."""

    def release(self) -> None:
        """Nothing to give back."""


_slots = _Slots()
