"""Ladders at work: `stop()` (R25, R26, R28).

`Stopping` is driven by the loop's timers and the tasks' done callbacks, not by a task of its own: a program that
cancels every task it finds must not cancel what bounds it. `Ladder` says what is due after so many seconds; the
seconds are counted from `_zero`, which moves back when a rung ends early and forward when a task asks for more time.
A rung that begins late, because something held the thread, still ends on time: a blocked loop buys nobody a second.
No rung is left out for that, and the last one always has the few turns of the loop that a Kill takes.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future, Handle
from collections.abc import Callable, Iterable
from typing import Any

from .._core.delivery import Fate
from .._core.family import descendants
from .._core.flight import cancel_stock, error_left_in
from .._core.inbox import Inbox, Outside
from .._core.task import Task, current
from ..ladder import DEFAULT, Ladder, Rung
from ..report import Report, RungReport, TaskReport
from ..signals import KILL_LEVEL, Interrupt, Signal, Terminate
from .places import Places, swallow_places, task_place
from .time import at_work_on

AnyTask = asyncio.Task[Any]
LAST_TURNS = 5
"""Turns of the loop that the last rung has, whatever its grace: a Kill takes two, its done callbacks another."""


class Stopping:
    """One ladder at work on some tasks; `done` is a future of its `Report`.

    With `everything`, the targets are all tasks of the loop, found anew at each rung. `heard` says that somebody
    outside the tasks listens for a Drain (R29). `on_rung(rung)` is called when a rung begins.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        targets: Iterable[AnyTask],
        ladder: Ladder,
        reason: object = None,
        *,
        everything: bool = False,
        heard: bool = False,
        sender: object = None,
        on_rung: Callable[[Rung], object] | None = None,
        on_extend: Callable[[float], object] | None = None,
    ) -> None:
        self.loop = loop
        self.ladder = ladder
        self.reason = reason
        self.done: Future[Report] = loop.create_future()
        self.rung: Rung | None = None
        self.alive: dict[AnyTask, TaskReport] = {}
        self.asker = current()
        self.sender = sender
        self._everything = everything
        self._heard = heard
        self._on_rung = on_rung
        self._on_extend = on_extend
        self._rows: list[TaskReport] = []
        self._rungs: list[RungReport] = []
        self._origins: list[Signal] = []
        self._index = -1
        self._zero = self._began = self._rung_began = loop.time()
        self._granted = 0.0
        self._timer: Handle | None = None
        self._turns = LAST_TURNS
        self._targets_left = 0
        self._ending = False
        self._killed: list[AnyTask] = []
        self._outside: dict[Outside, None] = {}
        self._why = None if reason is None else str(reason) or repr(reason)  # now: later, its error would be nobody's
        for task in targets:
            self._track(task)

    # -- the clock ------------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds on this ladder's own count, which skips what is skipped and stands while time is granted."""
        return self.loop.time() - self._zero

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung."""
        return max(0.0, self.ladder.start(self._index + 1) - self.elapsed)

    @property
    def left(self) -> float:
        """Seconds until a Kill, or until the end if there is none: what a ladder inside this one may take (R27)."""
        return max(0.0, self.ladder.before_kill - self.elapsed)

    def begin(self, first: int = 0) -> None:
        """Send the first signal: that of the rung with the index `first`."""
        self._enter(first)

    def advance(self, at_least: int = 0) -> None:
        """Go to the next rung now, or to the first of at least that level if it is not reached yet.

        Past the last one, nothing happens.
        """
        if self.rung is not None and 0 < at_least <= self.rung.signal.level:
            return
        index = self._index + 1
        while index < len(self.ladder.rungs) and self.ladder.rungs[index].signal.level < at_least:
            index += 1
        if index < len(self.ladder.rungs) and not self.done.done():
            self._enter(index)

    def extend(self, seconds: float) -> float:
        """Put the next rung off by up to so many seconds; gives the number granted (R27)."""
        granted = min(seconds, self.ladder.limit - self._granted)
        if self.done.done() or granted <= 0:
            return 0.0
        self._granted += granted
        self._zero += granted
        self._set_timer()
        if self._on_extend is not None:
            self._on_extend(granted)
        return granted

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.rung_left, self._due)

    def _due(self) -> None:
        if self._index + 1 == len(self.ladder.rungs) and self._turns:
            self._turns -= 1
            self._kill_newborn()
            self._timer = self.loop.call_soon(self._due)
        else:
            self._enter(self._index + 1)

    # -- rungs ----------------------------------------------------------------------------------------------------

    def _enter(self, index: int) -> None:
        for task in [task for task in self.alive if task.done()]:
            self._one_ended(task)  # its callback is still to come: it ended in the rung before
        self._close_rung()
        if self._everything:
            for task in asyncio.all_tasks(self.loop):
                self._track(task)
        rungs = self.ladder.rungs
        while index < len(rungs) and self._unheard(rungs[index]):
            self._rungs.append(RungReport(rungs[index].name, skipped=True))
            index += 1
        if index == len(rungs) or not self._targets_left:
            self.finish()
            return
        self._index, self.rung = index, rungs[index]
        self._rung_began = self.loop.time()
        self._zero = min(self._zero, self._rung_began - self.ladder.start(index))
        self._rungs.append(RungReport(self.rung.name))
        self._set_timer()
        try:
            if self._on_rung is not None:
                self._on_rung(self.rung)
        finally:
            self._send(self.rung)

    def _send(self, rung: Rung) -> None:
        signal = rung.signal(self.reason, sender=self.sender)
        self._origins.append(signal)
        targets = [(task, row) for task, row in self.alive.items() if not row.descendant]
        self._send_to(targets + ([] if self._everything else self._family(rung)), rung, signal)

    def _send_to(self, tasks: list[tuple[AnyTask, TaskReport]], rung: Rung, signal: Signal) -> None:
        name, places = rung.name, Places()
        for task, row in tasks:
            outside = _outside(task)
            row.stood[name] = places.of(task) if not outside else _place(task, outside)
            try:
                self._send_one(task, row, signal)
            except Exception as error:  # the cancel() of what it awaits failed: the others still get theirs
                row.note = f"{name} could not be sent on to what it awaits: {type(error).__name__}: {error}"
        self._rungs[-1].sent += len(tasks)

    def _send_one(self, task: AnyTask, row: TaskReport, signal: Signal) -> None:
        if isinstance(task, Task):
            inbox = task._inbox or task._mailbox()
            if not inbox.stops:
                inbox.stops = (self,)
            elif self not in inbox.stops:
                inbox.stops = (*(stop for stop in inbox.stops if not stop.done.done()), self)
            task._receive(signal)
        elif signal.level >= Terminate.level:
            if signal.level >= KILL_LEVEL:
                row.note = "a stock asyncio task: a Kill cannot reach it, it was asked with cancel()"
            cancel_stock(task, signal)

    def _unheard(self, rung: Rung) -> bool:
        """R26: a rung that is only ever held, and nobody looks."""
        if rung.signal.level >= Interrupt.level or self._heard:
            return False
        everyone = [*self.alive, *(() if self._everything else descendants(self.alive, self.loop))]
        boxes = (task._inbox for task in everyone if isinstance(task, Task))
        return not any(box is not None and box.listens_at <= rung.signal.level for box in boxes)

    def _family(self, rung: Rung) -> list[tuple[AnyTask, TaskReport]]:
        """The descendants this rung goes to: all of them for a Drain or a Kill, else those already thrown into."""
        found: list[tuple[AnyTask, TaskReport]] = []
        everyone = Interrupt.level > rung.signal.level or rung.signal.level >= KILL_LEVEL
        for child in descendants([task for task, row in self.alive.items() if not row.descendant], self.loop):
            if child is not self.asker and child not in self.alive and (everyone or self._was_thrown_into(child)):
                self._track(child, descendant=True)
        for task, row in self.alive.items():
            if row.descendant and isinstance(task, Task) and (everyone or self._was_thrown_into(task)):
                found.append((task, row))
        return found

    def _was_thrown_into(self, task: Task[Any]) -> bool:
        return any(
            delivery.fate is Fate.THROWN and any(delivery.given.origin is origin for origin in self._origins)
            for delivery in task.history
        )

    # -- endings --------------------------------------------------------------------------------------------------

    def _track(self, task: AnyTask, *, descendant: bool = False) -> None:
        if task in self.alive:
            return
        row = TaskReport(task.get_name(), descendant=descendant)
        if task.done():
            if not self._everything:
                row.ended = "ended before"
                self._rows.append(row)
            return
        self._rows.append(row)
        self.alive[task] = row
        self._targets_left += not descendant
        task.add_done_callback(self._one_ended)

    def _one_ended(self, task: AnyTask) -> None:
        row = self.alive.pop(task, None)
        if row is None or self.rung is None:
            return
        self._targets_left -= not row.descendant
        if self.rung.signal.level >= KILL_LEVEL:
            self._killed.append(task)  # alive, it leads to what it spawned
        name = row.rung = self.rung.name
        inbox: Inbox | None = getattr(task, "_inbox", None)
        if inbox is not None and inbox.passed_out is not None and len(inbox.history) == 1:  # it obeyed at once
            row.ended = f"ended by {inbox.passed_out.given.__class__.__name__}"
            row.seconds[name] = round(self.loop.time() - self._rung_began, 3)
        else:
            row.ended = _ending(task, retrieve=not self._everything)
            self._settle(task, row)
        self._rungs[-1].ended += name in row.stood
        if not self._targets_left and not self._ending:
            self._ending = True
            self.loop.call_soon(self._maybe_finish)  # what ended with it, ends in this turn

    def _maybe_finish(self) -> None:
        self._ending = False
        if self._everything and not self.alive:
            for task in asyncio.all_tasks(self.loop):
                self._track(task)
        if self._turns and not self.done.done() and self._kill_newborn():
            self._turns, self._ending = self._turns - 1, True
            self.loop.call_soon(self._maybe_finish)
        elif not self._targets_left:
            self.finish()

    def _kill_newborn(self) -> bool:
        """R25: what a killed task spawned on its last way is killed, too; whether there is any left to wait for."""
        if self.rung is None or self.rung.signal.level < KILL_LEVEL:
            return False
        for task in asyncio.all_tasks(self.loop) if self._everything else descendants(self._killed, self.loop):
            if task is not self.asker:
                self._track(task, descendant=not self._everything)
        born = [(task, row) for task, row in self.alive.items() if self.rung.name not in row.stood]
        if self._everything:  # what no task spawned is asyncio.run's own, tidying up after its main
            born = [(task, row) for task, row in born if getattr(task, "_parent", self) is not None]
        self._send_to(born, self.rung, self._origins[-1])
        return any(row.descendant for row in self.alive.values()) or bool(born)

    def _settle(self, task: AnyTask, row: TaskReport) -> None:
        if self.rung is not None and (name := self.rung.name) in row.stood:
            row.seconds[name] = round(self.loop.time() - self._rung_began, 3)
        inbox: Inbox | None = getattr(task, "_inbox", None)
        if inbox is None:
            return
        row.swallowed = swallow_places(task)
        row.refused = sum(delivery.refused for delivery in inbox.history)
        row.abandoned = inbox.abandoned
        if outside := inbox.outside:
            self._outside |= dict.fromkeys(outside)
            row.note = "; ".join(note for one in outside if (note := one.note())) or row.note
        if row.abandoned:
            row.ended = "abandoned"

    def _close_rung(self) -> None:
        if self.rung is None:
            return
        self._rungs[-1].seconds = round(self.loop.time() - self._rung_began, 3)
        for task, row in tuple(self.alive.items()):  # the watchdog may ask, from its thread
            self._settle(task, row)

    def finish(self) -> None:
        """End the ladder here, and give the report."""
        if not self.done.done():
            self.detach()
            self.done.set_result(self.report())

    def detach(self) -> None:
        """Stop counting and watching; what was sent stays sent."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self.alive:
            task.remove_done_callback(self._one_ended)

    def _passed_by(self, row: TaskReport) -> bool:
        """Whether it is none of ours unless it was sent something; so `asyncio.run` has its own last tasks."""
        return row.descendant or (self._everything and row.ended != "still running")

    def report(self) -> Report:
        """The report as of now."""
        if not self.done.done():
            self._close_rung()
        rows = tuple(row for row in self._rows if row.stood or not self._passed_by(row))
        threads = tuple(thread for one in self._outside if (thread := one.left_behind()) is not None)
        seconds = round(self.loop.time() - self._began, 3)
        return Report(str(self.ladder), self._why, seconds, rows, tuple(self._rungs), threads)


def _outside(task: AnyTask) -> tuple[Outside, ...]:
    """What the task waits for outside its loop."""
    inbox: Inbox | None = getattr(task, "_inbox", None)
    return () if inbox is None else inbox.outside


def _place(task: AnyTask, outside: tuple[Outside, ...]) -> str:
    return task_place(task, *(place for one in outside if (place := one.place()) is not None))


def _ending(task: AnyTask, *, retrieve: bool) -> str:
    """How it ended. Not to `retrieve` an error leaves it to asyncio to complain when nobody else does."""
    if task.cancelled():
        signal = task.ended_by if isinstance(task, Task) else None
        return "cancelled" if signal is None else f"ended by {signal.__class__.__name__}"
    error = task.exception() if retrieve else error_left_in(task)
    return "returned" if error is None else f"raised {type(error).__name__}"


async def stop(*tasks: AnyTask, ladder: Ladder | None = None, reason: object = None) -> Report:
    """Stop these tasks: send each rung of `ladder` in turn until all are done, and report what it took.

    All are signalled first and then waited for together, so a hundred tasks take no longer than the slowest. A rung
    ends as soon as all targets are done; a Drain that nobody listens for is skipped. The default ladder is drain 10 s,
    terminate 5 s, kill. Called by a task that is being stopped itself, the ladder is shortened to what is left (R27).

    The targets' errors are in the report, not raised. Tasks that even a Kill cannot reach are its `survivors`: stock
    tasks that swallow `cancel()`, and none else while the loop turns. If `stop()` itself is cancelled, the targets
    stay where they are, with what they were sent, and the `CancelledError` goes on.

    Raises: `ValueError` without tasks or with a task of another loop; `TypeError` for what is no task or ladder;
    `RuntimeError` when the calling task is among them.
    """
    loop = asyncio.get_running_loop()
    _check(tasks, loop, ladder)
    ladder = DEFAULT if ladder is None else ladder
    asker = current()
    if outer := at_work_on(asker):
        ladder = ladder.within(min(stopping.left for stopping in outer))
    stopping = Stopping(loop, dict.fromkeys(tasks), ladder, reason, sender=asker and asker.get_name())
    try:
        stopping.begin()
        return await stopping.done
    finally:
        stopping.done.cancel()  # else a target would still read its time_left() there
        stopping.detach()


def _check(tasks: tuple[object, ...], loop: AbstractEventLoop, ladder: object) -> None:
    if not tasks:
        raise ValueError("stop() needs at least one task; to stop all of a program, use sigtask.run()")
    if ladder is not None and not isinstance(ladder, Ladder):
        raise TypeError(f"ladder is {ladder!r}; give a sigtask.Ladder, for example Ladder.parse('terminate=5s,kill')")
    asker = current()
    for task in tasks:
        if not isinstance(task, asyncio.Task):
            raise TypeError(f"stop() takes asyncio tasks, got {task!r}; wrap a coroutine with asyncio.create_task()")
        if task.get_loop() is not loop:
            raise ValueError(f"{task!r} belongs to another loop; call stop() in a coroutine that runs there")
        if task is asker:
            raise RuntimeError(f"{task!r} cannot stop() itself; raise a signal, or send one with send_signal()")
