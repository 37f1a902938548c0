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
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .._core.around import Outside
from .._core.inbox import Inbox
from .._core.stock import current
from ..ladder import Ladder, Rung
from ..report import Report, RungReport, TaskReport
from ..signals import KILL_LEVEL, Interrupt, Signal, Terminate
from .places import Places
from .roll import Roll, clock_of
from .rows import ending, look_back, look_back_at, place_of, settle, since, was_looked_at
from .sending import has_been_told, is_one_of, is_unheard, send_rung
from .turns import Order, Turns

AnyTask = asyncio.Task[Any]
LAST_TURNS = 5
"""Turns of the loop that the last rung has, whatever its grace: a Kill takes two, its done callbacks another."""

SLICE = 0.01
"""Seconds of each turn of the loop that telling may take: a hundred thousand tasks do not hold up what they do."""

DELIVERED = 2
"""Turns of the loop from the last word until the grace begins: by then what was told has been thrown."""


def _note_error(row: TaskReport, name: str, error: BaseException) -> None:
    if not isinstance(error, Exception):
        raise error
    row.note = f"{name} could not be sent on to what it awaits: {type(error).__name__}: {error}"


class Stopping:
    """One ladder at work on some tasks; `done` is a future of its `Report`.

    With `everything`, the targets are all tasks of the loop, found anew at each rung, and `order(tasks)` says who of
    them is told first. `seconds` is what it may take in all; without, telling is not counted. `on_rung(rung)` is called
    when a rung begins.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        targets: Iterable[AnyTask],
        ladder: Ladder,
        reason: object = None,
        *,
        everything: bool = False,
        order: Callable[[Iterable[AnyTask]], Order] = lambda tasks: Order(main_first=False),
        sender: object = None,
        seconds: float = math.inf,
        on_rung: Callable[[Rung], object] = lambda rung: None,
        on_extend: Callable[[float], object] = lambda granted: None,
    ) -> None:
        self.loop = loop
        self.ladder = ladder
        self.reason = reason
        self.done: Future[Report] = loop.create_future()
        self.rung: Rung | None = None
        self.asker = current()
        self.sender = sender
        self._everything = everything
        self._get_order = order
        self._order = Order(main_first=False)
        self._turns = Turns()
        self._on_rung = on_rung
        self._on_extend = on_extend
        self._roll = Roll(clock_of(loop), self._one_ended, self._last_ended, everything=everything)
        self._rungs: list[RungReport] = []
        self._origins: list[Signal] = []
        self._index = -1
        self._began = self._rung_began = loop.time()
        self._deadline = self._began + seconds
        self._ends_at = math.inf  # of this rung; not known before its grace has begun
        self._to_tell: list[AnyTask] = []  # the first one last
        self._telling = False  # from the first signal of a turn until its grace begins
        self._granted = self._granted_early = 0.0
        self._handle: Handle | None = None
        self._last_turns = LAST_TURNS
        self._ending = False
        self._outside: dict[Outside, None] = {}
        self._why = None if reason is None else str(reason) or repr(reason)  # now: an error in it is the caller's
        self._roll.track(targets)

    @property
    def alive(self) -> dict[AnyTask, TaskReport]:
        """The tasks that have not ended."""
        return self._roll.alive

    # -- the clock ------------------------------------------------------------------------------------------------

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung."""
        if self._ends_at < math.inf or self.rung is None:
            return max(0.0, self._ends_at - self.loop.time())
        return self.rung.grace + self._granted_early

    @property
    def left(self) -> float:
        """Seconds until the Kill, or until the end if there is none: what a ladder inside this one may take (R27)."""
        later = self.ladder.rungs[self._index + 1 :]
        if self.rung is not None and self.rung.signal.level >= KILL_LEVEL:
            return 0.0
        return self.rung_left + sum(rung.grace for rung in later if rung.signal.level < KILL_LEVEL)

    def advance(self, at_least: int = 0) -> None:
        """Go to the next rung now, if there is one, or to the first of at least that level if it is not reached yet."""
        if self.rung is not None and 0 < at_least <= self.rung.signal.level:
            return
        index = self._index + 1
        while index < len(self.ladder.rungs) and self.ladder.rungs[index].signal.level < at_least:
            index += 1
        if index < len(self.ladder.rungs) and not self.done.done():
            self.begin(index)

    def be_over_in(self, seconds: float) -> None:
        """From now on, it may take at most so many seconds."""
        self._deadline = min(self._deadline, self.loop.time() + seconds)

    def extend(self, seconds: float) -> float:
        """Delay the next rung by up to so many seconds. Returns the seconds granted (R27)."""
        granted = min(seconds, self.ladder.limit - self._granted)
        if self.done.done() or granted <= 0:
            return 0.0
        self._granted += granted
        self._deadline += granted
        if self._ends_at < math.inf:
            self._ends_at += granted
            if not self._telling:
                self._wait()
        else:
            self._granted_early += granted
        self._on_extend(granted)
        return granted

    def _then(self, at: float | None, callback: Callable[[], object]) -> None:
        """Schedule this call, at that time or at the loop's next turn, in place of the scheduled one."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self.loop.call_soon(callback) if at is None else self.loop.call_at(at, callback)

    def _start_grace(self) -> None:
        """All signals of the rung have been delivered: the grace begins."""
        assert self.rung is not None
        now, later = self.loop.time(), sum(rung.grace for rung in self.ladder.rungs[self._index + 1 :])
        if self._ends_at < math.inf:
            ends_at = self._ends_at + now - self._told_at  # another turn of the same rung
        else:
            ends_at = now + self.rung.grace + self._granted_early
        self._ends_at, self._telling = min(ends_at, self._deadline - later), False
        self._wait()

    def _wait(self) -> None:
        """Wait for the next turn of this rung, or for the next rung."""
        if self._turns:
            self._then((self.loop.time() + self._ends_at) / 2, self._next_turn)
        else:
            self._then(self._ends_at, self._due)

    def _due(self) -> None:
        if self._index + 1 == len(self.ladder.rungs) and self._last_turns:
            self._last_turns -= 1
            self._tell_newborn()
            self._then(None, self._due)
        else:
            self.begin(self._index + 1)

    # -- rungs ----------------------------------------------------------------------------------------------------

    def begin(self, index: int = 0) -> None:
        """Begin the rung with that index, or the first one after it that some task could react to."""
        for task in [task for task in self.alive if task.done()] if self._origins else ():
            self._roll(task)  # its callback is still to come: it ended in the rung before
        self._close_rung()
        if self._everything:
            self._roll.track(asyncio.all_tasks(self.loop))
        self._order = self._get_order(self.alive)
        rungs = self.ladder.rungs
        while index < len(rungs) and not self._order.heard and is_unheard(rungs[index], self._roll.everyone):
            self._rungs.append(RungReport(rungs[index].name, skipped=True))
            index += 1
        if index == len(rungs) or not self._roll.left:
            if index < len(rungs) and self._order.outside is not None and not self._order.heard:
                self._order.outside()  # there are only callbacks in this loop
            return self.finish()
        self._index, self.rung = index, rungs[index]
        self._rung_began, self._ends_at, self._granted_early = self.loop.time(), math.inf, 0.0
        self._rungs.append(RungReport(self.rung.name))
        self._roll.begin(self.rung.name, self._rung_began)
        try:
            self._on_rung(self.rung)
        finally:
            self._origins.append(self.rung.signal(self.reason, sender=self.sender))
            self._turns.begin(self._order.turns(self.rung, self.alive))
            self._next_turn()

    def _next_turn(self) -> None:
        """Signal the tasks whose turn it is."""
        assert self.rung is not None
        turn, self._told_at, self._telling = self._turns.next(), self.loop.time(), True
        if turn.outside and self._order.outside is not None:
            self._order.outside()
        name, tasks = self.rung.name, turn.tasks
        if self._everything and tasks is None and self._turns.number > 1:  # the first comes with `begin`
            self._roll.track(asyncio.all_tasks(self.loop))
        self._to_tell = list(self.alive)  # no task was signalled yet
        if len(self._origins) > 1 or self._turns.number > 1 or tasks is not None:
            some: Iterable[AnyTask] = self.alive if tasks is None or len(tasks) > 1 else tasks
            there = [(task, row) for task in some if (row := self.alive.get(task)) is not None]
            self._to_tell = [
                task
                for task, row in there
                if not row.descendant and name not in row.stood and (tasks is None or task in tasks)
            ]
        if not self._everything:
            self._to_tell += self._roll.family(self.rung, self._origins, self.asker)
        self._to_tell.reverse()
        self._tell()

    def let_everybody_be_told(self) -> None:
        """The tasks that the others waited for have ended: signal everybody."""
        self._turns.let_nobody_wait()
        if not self._turns and self.rung is not None and self.rung.signal.level >= Terminate.level:
            self._turns.once_more()
        if self._turns:
            self._then(None, self._next_turn)

    def _tell(self) -> None:
        """Signal as many tasks as one slice allows, and go on at the loop's next turn."""
        until, failed, slow = self.loop.time() + SLICE, None, partial(self._tell_one, Places())
        again = self._turns.number > 1
        while self._to_tell:
            try:
                self._roll.tell(self._to_tell, self._origins[-1], self.asker, (self,), until, slow, again)
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

    def _tell_one(self, places: Places, task: AnyTask, row: TaskReport, error: BaseException | None = None) -> None:
        name, signal = self._rungs[-1].name, self._origins[-1]
        if error is not None:
            _note_error(row, name, error)
            return
        row.stood = {**row.stood, name: place_of(task, places)}
        if len(row.stood) > 1 or row.descendant:
            look_back(row, task, places, self._is_ours)
        self._rungs[-1].sent += 1
        if self._turns.number > 1 and has_been_told(task, signal):
            return
        try:
            send_rung(self, task, row, signal)
        except Exception as failed:  # the cancel() of what it awaits failed: the others still get theirs
            _note_error(row, name, failed)

    def _is_ours(self, delivery: Any) -> bool:
        return is_one_of(delivery, self._origins)

    # -- endings --------------------------------------------------------------------------------------------------

    def _one_ended(self, task: AnyTask) -> None:
        assert self.rung is not None
        row = self.alive.pop(task)
        self._roll.left -= not row.descendant
        name = row.rung = self.rung.name
        inbox: Inbox | None = getattr(task, "_inbox", None)
        if inbox is not None and inbox.ended is not None and len(inbox.history) == 1:  # it obeyed at once
            row.ended = f"ended by {inbox.ended.given.__class__.__name__}"
            row.seconds = {**row.seconds, name: round(self.loop.time() - self._rung_began, 3)}
        else:
            row.ended = ending(task, retrieve=not self._everything)
            self._settle(task, row)
        self._rungs[-1].ended += name in row.stood
        if not self._roll.left:
            self._last_ended()

    def _last_ended(self) -> None:
        if not self._ending:
            self._ending = True
            self.loop.call_soon(self._maybe_finish)  # what ended with it, ends in this turn

    def _maybe_finish(self) -> None:
        self._ending = False
        if self._everything and not self.alive:
            self._roll.track(asyncio.all_tasks(self.loop))
        if self._last_turns and not self.done.done() and self._has_doomed():
            self._last_turns, self._ending = self._last_turns - 1, True
            self.loop.call_soon(self._maybe_finish)
        elif not self._roll.left:
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
        self._roll.track(asyncio.all_tasks(self.loop))
        born = [
            (task, row)
            for task, row in self.alive.items()
            if self.rung.name not in row.stood and getattr(task, "_parent", None) is not None
        ]
        places = Places()
        for task, row in born:
            self._tell_one(places, task, row)
        return bool(born)

    def _settle(self, task: AnyTask, row: TaskReport) -> None:
        if self.rung is not None and (name := self.rung.name) in row.stood:
            row.seconds = {**row.seconds, name: round(self.loop.time() - self._rung_began, 3)}
        if (inbox := getattr(task, "_inbox", None)) is not None:
            settle(row, inbox)
            self._outside |= dict.fromkeys(inbox.outside)

    def _close_rung(self) -> None:
        if self.rung is None:
            return
        self._count()
        self._rungs[-1].seconds = round(self.loop.time() - self._rung_began, 3)
        for task, row in tuple(self.alive.items()):  # the watchdog may ask, from its thread
            self._settle(task, row)
        if self.rung.signal.level < Interrupt.level and not self._order.heard:
            self._rungs[-1].unasked = not self._rungs[-1].ended and not was_looked_at(self.alive, self._is_ours)

    def _count(self) -> None:
        """Count the tasks that never came to `_tell_one` and `_one_ended`."""
        self._rungs[-1].sent += self._roll.sent
        self._rungs[-1].ended += self._roll.ended
        self._roll.sent = self._roll.ended = 0

    def finish(self) -> None:
        """End the ladder here, and give the report."""
        if not self.done.done():
            self.detach()
            self.done.set_result(self.report())

    def detach(self) -> None:
        """Stop counting and watching. Signals that were sent stay sent."""
        if self._handle is not None:
            self._handle.cancel()
        for task in self.alive:
            task.remove_done_callback(self._roll)

    def _passed_by(self, row: TaskReport) -> bool:
        """Whether it is none of ours unless it was sent something; so `asyncio.run` has its own last tasks."""
        return row.descendant or (self._everything and row.ended != "still running")

    def report(self) -> Report:
        """The report so far."""
        if not self.done.done():
            self._close_rung()
            look_back_at(self.alive, self._is_ours)
        rows = tuple(self._roll.rows)
        if self._everything or self._roll.has_descendants:
            rows = tuple(row for row in rows if row.stood or not self._passed_by(row))
        threads = tuple(thread for one in self._outside if (thread := one.left_behind()) is not None)
        seconds = round(self.loop.time() - self._began, 3)
        return Report(str(self.ladder), self._why, seconds, rows, tuple(self._rungs), threads, began=since(seconds))
