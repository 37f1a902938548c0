"""A ladder at work on some tasks (R25, R26, R28).

`Stopping` is driven by the loop's timers and the tasks' done callbacks, not by a task of its own: a program that
cancels every task it finds must not cancel what bounds it.

    rung ──► telling, a slice of time in each turn of the loop ──► a few turns, for it to be delivered ──► grace
                                                                                                            │
    next rung ◄──────────────────────────────── its end, or all targets are done ◄─────────────────────────────┘

The grace is the tasks': what telling them costs is not taken from it. Where there is a `deadline`, what was not used
of the rungs before is a reserve for that, and when it is gone, every rung still has its turn.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import AbstractEventLoop, Future, Handle
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .._core.around import Outside
from .._core.delivery import Fate
from .._core.family import descendants
from .._core.flight import cancel_stock
from .._core.inbox import Inbox
from .._core.listening import could_be_heard
from .._core.stock import current
from .._core.task import Task
from ..ladder import Ladder, Rung
from ..report import Report, RungReport, TaskReport
from ..signals import KILL_LEVEL, Interrupt, Signal, Terminate
from .places import Places
from .rows import ending, look_back, look_back_at, new_row, place_of, settle, since, was_looked_at

AnyTask = asyncio.Task[Any]
LAST_TURNS = 5
"""Turns of the loop that the last rung has, whatever its grace: a Kill takes two, its done callbacks another."""

SLICE = 0.01
"""Seconds of each turn of the loop that telling may take: a hundred thousand tasks do not hold up what they do."""

DELIVERED = 2
"""Turns of the loop from the last word until the grace begins: by then what was told has been thrown."""


class Stopping:
    """One ladder at work on some tasks; `done` is a future of its `Report`.

    With `everything`, the targets are all tasks of the loop, found anew at each rung. `heard` says that somebody
    outside the tasks listens for a Drain (R29). `seconds` is what it may take in all; without, telling is not counted.
    `on_rung(rung)` is called when a rung begins.
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
        seconds: float = math.inf,
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
        self._began = self._rung_began = loop.time()
        self._deadline = self._began + seconds
        self._ends_at = math.inf  # of this rung; not known before its grace has begun
        self._to_tell: deque[tuple[AnyTask, TaskReport]] = deque()
        self._granted = 0.0
        self._granted_early = 0.0
        self._handle: Handle | None = None
        self._turns = LAST_TURNS
        self._targets_left = 0
        self._ending = False
        self._outside: dict[Outside, None] = {}
        self._why = None if reason is None else str(reason) or repr(reason)  # now: later, its error would be nobody's
        for task in targets:
            self._track(task)

    # -- the clock ------------------------------------------------------------------------------------------------

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung."""
        if self._ends_at < math.inf or self.rung is None:
            return max(0.0, self._ends_at - self.loop.time())
        return self.rung.grace + self._granted_early

    @property
    def left(self) -> float:
        """Seconds until a Kill, or until the end if there is none: what a ladder inside this one may take (R27)."""
        later = self.ladder.rungs[self._index + 1 :]
        if self.rung is not None and self.rung.signal.level >= KILL_LEVEL:
            return 0.0
        return self.rung_left + sum(rung.grace for rung in later if rung.signal.level < KILL_LEVEL)

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

    def be_over_in(self, seconds: float) -> None:
        """It may take no longer than that from now on."""
        self._deadline = min(self._deadline, self.loop.time() + seconds)

    def extend(self, seconds: float) -> float:
        """Put the next rung off by up to so many seconds; gives the number granted (R27)."""
        granted = min(seconds, self.ladder.limit - self._granted)
        if self.done.done() or granted <= 0:
            return 0.0
        self._granted += granted
        self._deadline += granted
        if self._ends_at < math.inf:
            self._ends_at += granted
            self._then(self._ends_at, self._due)
        else:
            self._granted_early += granted
        if self._on_extend is not None:
            self._on_extend(granted)
        return granted

    def _then(self, at: float | None, callback: Callable[[], object]) -> None:
        """Call that next, at that time or at the loop's next turn, in the place of what was to be called."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self.loop.call_soon(callback) if at is None else self.loop.call_at(at, callback)

    def _start_grace(self) -> None:
        """What was told has been delivered: from now on the time is the tasks'."""
        assert self.rung is not None
        later = sum(rung.grace for rung in self.ladder.rungs[self._index + 1 :])
        ends_at = self.loop.time() + self.rung.grace + self._granted_early
        self._ends_at = min(ends_at, self._deadline - later)
        self._then(self._ends_at, self._due)

    def _due(self) -> None:
        if self._index + 1 == len(self.ladder.rungs) and self._turns:
            self._turns -= 1
            self._tell_newborn()
            self._then(None, self._due)
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
        self._rung_began, self._ends_at, self._granted_early = self.loop.time(), math.inf, 0.0
        self._rungs.append(RungReport(self.rung.name))
        try:
            if self._on_rung is not None:
                self._on_rung(self.rung)
        finally:
            self._origins.append(self.rung.signal(self.reason, sender=self.sender))
            self._to_tell = deque((task, row) for task, row in self.alive.items() if not row.descendant)
            if not self._everything:
                self._to_tell.extend(self._family(self.rung))
            self._tell()

    def _tell(self) -> None:
        """Tell as many as a slice of time allows, and go on at the loop's next turn."""
        until, places, failed = self.loop.time() + SLICE, Places(), None
        while self._to_tell:
            task, row = self._to_tell.popleft()
            try:
                self._tell_one(task, row, places)
            except (SystemExit, KeyboardInterrupt) as error:  # of an on_signal callback: the others still get theirs
                failed = error
            if self.loop.time() >= until:
                break
        if self._to_tell:
            self._then(None, self._tell)
        else:
            self._wait_for_delivery(DELIVERED)
        if failed is not None:
            try:
                raise failed
            finally:
                del failed

    def _wait_for_delivery(self, turns: int) -> None:
        if turns:
            self._then(None, lambda: self._wait_for_delivery(turns - 1))
        else:
            self._start_grace()

    def _tell_one(self, task: AnyTask, row: TaskReport, places: Places) -> None:
        name, signal = self._rungs[-1].name, self._origins[-1]
        place = place_of(task, places)
        if row.stood or row.descendant:
            look_back(row, task, place, self._is_ours)
        row.stood[name] = place
        self._rungs[-1].sent += 1
        try:
            self._send_one(task, row, signal)
        except Exception as error:  # the cancel() of what it awaits failed: the others still get theirs
            row.note = f"{name} could not be sent on to what it awaits: {type(error).__name__}: {error}"

    def _send_one(self, task: AnyTask, row: TaskReport, signal: Signal) -> None:
        if isinstance(task, Task):
            inbox = task._inbox or task._mailbox()
            if not inbox.stops:
                inbox.stops = (self,)
            elif self not in inbox.stops:
                inbox.stops = (*(stop for stop in inbox.stops if not stop.done.done()), self)
            if signal.level >= KILL_LEVEL and inbox.doom is not None:
                return  # the Kill of the task that spawned it has come to it already
            task._receive(signal, sender=self.asker)
        elif signal.level >= Terminate.level:
            if signal.level >= KILL_LEVEL:
                row.note = "a stock asyncio task: a Kill cannot reach it, it was asked with cancel()"
            cancel_stock(task, signal)

    def _is_ours(self, delivery: Any) -> bool:
        return any(delivery.given.origin is origin for origin in self._origins)

    def _unheard(self, rung: Rung) -> bool:
        """R26: a rung whose signal is only ever pending, and nobody can look."""
        if rung.signal.level >= Interrupt.level or self._heard:
            return False
        if not could_be_heard():
            return True
        everyone = [*self.alive, *(() if self._everything else descendants(self.alive))]
        return not any(isinstance(task, Task) for task in everyone)

    def _family(self, rung: Rung) -> list[tuple[AnyTask, TaskReport]]:
        """The descendants this rung goes to: all of them for a Drain or a Kill, else those already thrown into."""
        found: list[tuple[AnyTask, TaskReport]] = []
        everyone = Interrupt.level > rung.signal.level or rung.signal.level >= KILL_LEVEL
        for child in descendants([task for task, row in self.alive.items() if not row.descendant]):
            if child is not self.asker and child not in self.alive and (everyone or self._was_thrown_into(child)):
                self._track(child, descendant=True)
        for task, row in self.alive.items():
            if row.descendant and isinstance(task, Task) and (everyone or self._was_thrown_into(task)):
                found.append((task, row))
        return found

    def _was_thrown_into(self, task: Task[Any]) -> bool:
        return any(one.fate is Fate.DELIVERED and self._is_ours(one) for one in task.history)

    # -- endings --------------------------------------------------------------------------------------------------

    def _track(self, task: AnyTask, *, descendant: bool = False) -> None:
        if task in self.alive:
            return
        row = new_row(task, descendant=descendant)
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
        name = row.rung = self.rung.name
        inbox: Inbox | None = getattr(task, "_inbox", None)
        if inbox is not None and inbox.ended is not None and len(inbox.history) == 1:  # it obeyed at once
            row.ended = f"ended by {inbox.ended.given.__class__.__name__}"
            row.seconds[name] = round(self.loop.time() - self._rung_began, 3)
        else:
            row.ended = ending(task, retrieve=not self._everything)
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
        if self._turns and not self.done.done() and self._has_doomed():
            self._turns, self._ending = self._turns - 1, True
            self.loop.call_soon(self._maybe_finish)
        elif not self._targets_left:
            self.finish()

    def _has_doomed(self) -> bool:
        """Whether a Kill is still at work: on what its targets have spawned, or on what has come since."""
        if self.rung is None or self.rung.signal.level < KILL_LEVEL:
            return False
        return self._tell_newborn() or any(row.descendant for row in self.alive.values())

    def _tell_newborn(self) -> bool:
        """R25: what has come since the Kill is killed, too. What no task spawned is asyncio.run's own, tidying up."""
        if self.rung is None or self.rung.signal.level < KILL_LEVEL or not self._everything:
            return False
        for task in asyncio.all_tasks(self.loop):
            self._track(task)
        born = [
            (task, row)
            for task, row in self.alive.items()
            if self.rung.name not in row.stood and getattr(task, "_parent", None) is not None
        ]
        places = Places()
        for task, row in born:
            self._tell_one(task, row, places)
        return bool(born)

    def _settle(self, task: AnyTask, row: TaskReport) -> None:
        if self.rung is not None and (name := self.rung.name) in row.stood:
            row.seconds[name] = round(self.loop.time() - self._rung_began, 3)
        if (inbox := getattr(task, "_inbox", None)) is not None:
            settle(row, inbox)
            self._outside |= dict.fromkeys(inbox.outside)

    def _close_rung(self) -> None:
        if self.rung is None:
            return
        self._rungs[-1].seconds = round(self.loop.time() - self._rung_began, 3)
        for task, row in tuple(self.alive.items()):  # the watchdog may ask, from its thread
            self._settle(task, row)
        if self.rung.signal.level < Interrupt.level and not self._heard:
            self._rungs[-1].unasked = not self._rungs[-1].ended and not was_looked_at(self.alive, self._is_ours)

    def finish(self) -> None:
        """End the ladder here, and give the report."""
        if not self.done.done():
            self.detach()
            self.done.set_result(self.report())

    def detach(self) -> None:
        """Stop counting and watching; what was sent stays sent."""
        if self._handle is not None:
            self._handle.cancel()
        for task in self.alive:
            task.remove_done_callback(self._one_ended)

    def _passed_by(self, row: TaskReport) -> bool:
        """Whether it is none of ours unless it was sent something; so `asyncio.run` has its own last tasks."""
        return row.descendant or (self._everything and row.ended != "still running")

    def report(self) -> Report:
        """The report as of now."""
        if not self.done.done():
            self._close_rung()
            look_back_at(self.alive, self._is_ours)
        rows = tuple(row for row in self._rows if row.stood or not self._passed_by(row))
        threads = tuple(thread for one in self._outside if (thread := one.left_behind()) is not None)
        seconds = round(self.loop.time() - self._began, 3)
        rungs, began = tuple(self._rungs), since(seconds)
        return Report(str(self.ladder), self._why, seconds, rows, rungs, threads, began=began)
