"""The scheduler's side: it forwards signals and ladders, collects the answers, and handles workers that do not answer.

It does not read signals: they are forwarded as they came. A job that was told to stop is kept in `_told` until Dask has
forgotten it. If Dask moves it or starts it anew, it is told again before it begins.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from distributed import Scheduler, SchedulerPlugin

from ..signals import Terminate
from . import _distributed as dask
from ._force import Force
from ._leaving import NannySide
from ._reports import unpacked
from ._retire import Retirement
from ._wire import WIRE, Message, encoded, ladder_read
from ._worker import NAME, WorkerSide

LAG = 2.0
"""Seconds that a worker's report may be later than its ladder's end: for the way, and for a loop that is busy."""
MOVES = 3
"""How often a job is looked for at another worker, when Dask has moved it before it could be told."""
UNBEGUN = "told to stop before it began"
LOST = "its result was lost with its worker, and it is not run twice"
INSTALL_WITHIN = 10.0
"""Seconds that the workers have to take the plugin."""


class Part:
    """What one worker was asked in one stop."""

    def __init__(self, worker: str, keys: list[str], due_at: float) -> None:
        self.worker = worker
        self.keys = keys
        self.due_at = due_at  # on the scheduler's own clock
        self.report: Future[Message | None] = asyncio.get_running_loop().create_future()  # `None`: the worker has left
        self.acknowledged = False

    def end(self, report: Message | None) -> None:
        """It has reported, or never will."""
        if not self.report.done():
            self.report.set_result(report)


class SchedulerSide(SchedulerPlugin):
    """sigtask's plugin of Dask's scheduler: `install` brings it there."""

    name = NAME
    idempotent = True

    async def start(self, scheduler: Scheduler) -> None:
        """Dask calls it as the plugin comes to the scheduler."""
        self.scheduler = scheduler
        self._told: dict[str, list[Message]] = {}
        self._parts: dict[tuple[str, str], Part] = {}
        self._ready: dict[str, int] = {}
        self._brought = asyncio.Event()
        self._stops: dict[str, asyncio.Task[Message]] = {}
        self._answers: dict[str, tuple[str, Future[Message]]] = {}
        self._retirement = Retirement(self)
        dask.answer(scheduler, "sigtask_hello", self._hello)
        dask.answer(scheduler, "sigtask_retire_by", self._retire_by)
        dask.answer(scheduler, "sigtask_answer", self._answer)
        dask.answer(scheduler, "sigtask_told", self._tell)
        calls: dict[str, Callable[..., Any]] = {
            "sigtask-stop": self._begin,
            "sigtask-signal": self._signal,
            "sigtask-leave": self._leave,
            "sigtask-ack": self._acknowledged,
            "sigtask-granted": self._granted,
            "sigtask-report": self._reported,
        }
        dask.listen(scheduler, calls)
        scheduler.add_plugin(self, name=NAME, idempotent=True)  # now: jobs and workers come while the workers take it
        for key, task in scheduler.tasks.items():
            if is_ours(task):
                self.transition(key, "waiting", str(task.state))
        bringing = self._bring_to_nannies()  # who only starts or stops jobs need not wait for that
        self._nannies = asyncio.get_running_loop().create_task(bringing, name="sigtask-nannies")
        try:
            async with asyncio.timeout(INSTALL_WITHIN):
                self._ready |= dict.fromkeys(await dask.bring_to_workers(scheduler, WorkerSide(), NAME), WIRE)
        except TimeoutError:
            return  # some worker does not answer; each of the others tells that it is ready
        finally:
            self._brought.set()

    async def _bring_to_nannies(self) -> None:
        try:
            async with asyncio.timeout(INSTALL_WITHIN):
                await dask.bring_to_nannies(self.scheduler, NannySide(), NAME)
        except (OSError, TimeoutError):
            return  # one has gone, or does not answer; the others have it

    def log_event(self, topic: Any, msg: Any) -> None:
        """Dask calls it for each event: a worker's plugin tells that it is there."""
        if topic == NAME and isinstance(msg, dict) and "wire" in msg:
            self._ready[msg["worker"]] = msg["wire"]

    async def _hello(self) -> Message:
        await self._brought.wait()  # another client may have begun it just before
        return {"wire": WIRE, "workers": dict(self._ready)}

    async def _retire_by(self, ladder: Message | None) -> None:
        """Have this ladder for workers that retire, and wait until their nannies know what to do."""
        if ladder is not None:
            self._retirement.ladder = ladder_read(ladder)
        await asyncio.wait([self._nannies])

    # -- what Dask does ---------------------------------------------------------------------------------------------

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Dask calls it as a task changes its state."""
        if start == "processing":
            self._retirement.ended(key)
        if finish == "forgotten":
            self._told.pop(key, None)
        elif (start, finish) == ("memory", "released"):
            if is_ours(task := dask.task_of(self.scheduler, key)) and task.who_wants:  # Dask would run it again
                self._told[key] = [encoded(Terminate(LOST, sender=self.scheduler.address))]
        elif finish == "processing" and is_ours(task := dask.task_of(self.scheduler, key)):
            dask.run_at_most_once(self.scheduler, task)
            if key in self._told and task.processing_on is not None:  # goes ahead of the job, on the same connection
                self._send(task.processing_on.address, "sigtask-early", key=key, signals=self._told[key])

    def remove_worker(self, scheduler: Scheduler, worker: str, **kwargs: Any) -> None:
        """Dask calls it when a worker has left, or is counted out."""
        self._ready.pop(worker, None)
        for (_, address), part in list(self._parts.items()):
            if address == worker:
                part.end(None)

    # -- what workers and clients say ---------------------------------------------------------------------------------

    def _send(self, worker: str, op: str, **message: Any) -> None:
        if self._ready.get(worker) == WIRE:  # to any other, it would be the end of the connection
            dask.send_to_worker(self.scheduler, worker, {"op": op, **message})

    def ours_at(self, worker: str) -> list[str]:
        """The keys of our jobs that this worker runs, or is about to."""
        return [str(task.key) for task in dask.tasks_at(self.scheduler, worker) if is_ours(task)]

    async def _tell(self, worker: str, wire: int) -> dict[str, list[Message]]:
        """Tell a worker what its jobs were told before it had the plugin. From now on it is told directly."""
        self._ready[worker] = wire
        return {key: self._told[key] for key in self.ours_at(worker) if key in self._told}

    async def ask(self, worker: str, keys: list[str], number: str, total: float, **request: Any) -> Message | None:
        """Have one worker climb a ladder that takes `total` seconds; its report, `None` when none came in time."""
        part = Part(worker, keys, asyncio.get_running_loop().time() + total + LAG)
        self._parts[number, worker] = part
        try:
            self._send(worker, "sigtask-stop", number=number, keys=keys, **request)
            return await self._answered(part)
        finally:
            del self._parts[number, worker]

    def _acknowledged(self, number: str, worker: str, unbegun: list[str]) -> None:
        if (part := self._parts.get((number, worker))) is not None:
            part.acknowledged = True
        # Now, and not when the ladder is over: an idle worker may steal them, of which Dask tells no plugin.
        _, moved = self._settle_unstarted(worker, unbegun)
        for key in moved:
            if (task := dask.task_of(self.scheduler, key)) is not None and key in self._told:
                self._send(task.processing_on.address, "sigtask-signal", keys=[key], signal=self._told[key][0])

    def _granted(self, number: str, seconds: float, worker: str) -> None:
        if (part := self._parts.get((number, worker))) is not None:
            part.due_at += seconds

    def _reported(self, number: str, worker: str, **report: Any) -> None:
        if (part := self._parts.get((number, worker))) is not None:
            part.end(report)

    def _leave(self, number: str, client: str) -> None:
        for found, worker in self._parts:
            if found == number:
                self._send(worker, "sigtask-leave", number=number)

    def _signal(self, keys: list[str], signal: Message, client: str) -> None:
        """A signal from a client."""
        groups, others = self._sorted(keys)
        for worker, theirs in groups.items():
            dask.keep(self.scheduler, theirs)
            self._send(worker, "sigtask-signal", keys=theirs, signal=signal)
        for key, (_, waits) in others.items():
            if waits:
                self._told.setdefault(key, []).append(signal)

    def _begin(self, number: str, client: str, answer: bool, **request: Any) -> None:
        """A stop, from a client. It comes the way that jobs come, behind them; the answer goes to who asks for it."""
        task = asyncio.get_running_loop().create_task(
            self._stop(number=number, **request), name=f"sigtask-stop-{number}"
        )
        self._stops[number] = task
        task.add_done_callback(lambda _: self._stops.pop(number, None))
        if answer:
            future = self._awaited(number, client)
            task.add_done_callback(partial(_pass_on, future))

    async def _answer(self, number: str, client: str) -> Message:
        """The result of a stop that this client has begun, or is about to."""
        future = self._awaited(number, client)
        try:
            return await future
        finally:
            self._answers.pop(number, None)

    def _awaited(self, number: str, client: str) -> Future[Message]:
        if number not in self._answers:
            self._answers[number] = client, asyncio.get_running_loop().create_future()
        return self._answers[number][1]

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Dask calls it when a client has left: nobody will ask for its answers."""
        for number, (whose, _) in list(self._answers.items()):
            if whose == client:
                del self._answers[number]

    # -- ladders ------------------------------------------------------------------------------------------------------

    def _sorted(self, keys: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, tuple[Message, bool]]]:
        """The keys of what a worker has, by worker; and a row for each other, with whether it is waiting."""
        groups: dict[str, list[str]] = {}
        others: dict[str, tuple[Message, bool]] = {}
        for key in keys:
            task = dask.task_of(self.scheduler, key)
            if task is None:
                others[key] = row(key, "ended before", "the scheduler does not know it: cancelled, or let go"), False
            elif not is_ours(task):
                note = "a plain Dask task, which takes no signals: start it with sigtask.dask.submit()"
                others[key] = row(key, "still running", note), False
            elif task.state in ("memory", "erred"):
                others[key] = row(key, "ended before"), False
            elif task.processing_on is None:
                others[key] = row(key, "never started"), True
            else:
                groups.setdefault(task.processing_on.address, []).append(key)
        return groups, others

    async def _stop(
        self, *, number: str, keys: list[str], ladder: Message, total: float, kill: str | None, **why: Any
    ) -> Message:
        """Have the workers climb this ladder, and give what became of each job: always within a bounded time.

        `kill` is the name of the rung that may end a worker's process, `why` goes on to the workers.
        """
        self._told |= {key: [why["reason"]] for key in keys}
        answer: Message = {"tasks": [], "packed": [], "rungs": [], "threads": []}
        force = Force(self.scheduler, kill)
        for _ in range(MOVES):
            groups, others = self._sorted(keys)
            answer["tasks"] += [row for row, _ in others.values()]
            waiting = [key for key, (_, waits) in others.items() if waits]
            dask.forget(self.scheduler, waiting, UNBEGUN)
            due_at = asyncio.get_running_loop().time() + total + LAG
            parts = [Part(worker, theirs, due_at) for worker, theirs in groups.items()]
            for part in parts:
                self._parts[number, part.worker] = part
                force.remember(part.worker)
                self._send(part.worker, "sigtask-stop", number=number, keys=part.keys, ladder=ladder, **why)
            try:
                moved = await asyncio.gather(*(self._see_through(part, force, answer) for part in parts))
            finally:
                for part in parts:
                    self._parts.pop((number, part.worker), None)
            keys = [key for some in moved for key in some]
        answer["tasks"] += [row(key, "still running", "Dask has moved it faster than it could be told") for key in keys]
        return answer

    async def _see_through(self, part: Part, force: Force, answer: Message) -> list[str]:
        """One worker's part, to its end: its report, or what is known without. Gives what Dask has moved on."""
        report = await self._answered(part)
        if report is None:
            silent = self._why_silent(part.worker)
            answer["tasks"] += await force.without_report(part.worker, part.keys, part.acknowledged, silent)
            return []
        never, moved = self._settle_unstarted(part.worker, report["unstarted"])
        answer["tasks"] += never
        if not report["left"]:
            answer["packed"].append(report["tasks"])
        else:
            rows = unpacked(report["tasks"])
            if await force.end(part.worker, rows, set(report["left"])):
                report["threads"] = []
            answer["tasks"] += rows
        answer["threads"] += report["threads"]
        answer["rungs"].append(report["rungs"])
        return moved

    async def _answered(self, part: Part) -> Message | None:
        loop = asyncio.get_running_loop()
        if self._why_silent(part.worker) is not None:
            return None
        while not part.report.done() and (left := part.due_at - loop.time()) > 0:
            await asyncio.wait([part.report], timeout=left)
        return part.report.result() if part.report.done() else None

    def _why_silent(self, worker: str) -> str | None:
        """Why that worker cannot be told anything; `None` if it can."""
        if worker not in self.scheduler.workers or self._ready.get(worker) == WIRE:
            return None
        if worker in self._ready:
            return f"it has another version of sigtask, whose messages are of kind {self._ready[worker]}, not {WIRE}"
        return "it has no sigtask plugin; is sigtask installed there?"

    def _settle_unstarted(self, worker: str, keys: list[str]) -> tuple[list[Message], list[str]]:
        """What had not begun when its worker was told: forgotten now, unless Dask has given it to another worker."""
        never: list[Message] = []
        moved: list[str] = []
        for key in keys:
            task = dask.task_of(self.scheduler, key)
            if task is not None and task.processing_on is not None and task.processing_on.address != worker:
                moved.append(key)
            else:
                ended = task is not None and task.state == "memory"
                never.append(row(key, "ended before" if ended else "never started", f"at {worker}"))
        dask.forget(self.scheduler, [one["name"] for one in never if one["ended"] == "never started"], UNBEGUN)
        return never, moved


def _pass_on(future: Future[Message], task: asyncio.Task[Message]) -> None:
    if future.done():
        return
    if task.cancelled():
        future.cancel()  # the scheduler closes
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def is_ours(task: Any) -> bool:
    """Whether it was started with `sigtask.dask`."""
    return task is not None and bool(task.annotations) and NAME in task.annotations


def row(key: str, ended: str, note: str | None = None) -> Message:
    """The report's row for a job about which no worker has reported."""
    return {"name": key, "ended": ended, "note": note}
