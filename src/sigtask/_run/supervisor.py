"""One process under a ladder, tied to the OS's signals: what `run()` and the command `sigtask run` share (R29, R30).

`Supervisor.signalled` runs in the OS signal handler and only hands over; the ladder is climbed in the loop, by
`Stopping`; the watchdog thread looks on from outside and ends the process when the ladder's time is over.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Protocol

from .._core.task import Task
from .._stop.places import task_place, thread_place, thread_places, threads
from .._stop.stopping import Stopping
from ..ladder import Ladder, Rung
from ..report import Report, TaskReport
from ..signals import Signal
from .children import children
from .os_signals import OsSignals, die_of, name_of
from .watchdog import Watchdog, now

log = logging.getLogger("sigtask")

MARGIN = 0.2
"""Seconds after the ladder's end in which a process that is ending by itself may still do so."""


class Observer(Protocol):
    """Who is told how the stopping goes. `rung` is called in the loop, `tick` and, at times, `over` in the watchdog."""

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """A rung begins."""

    def tick(self, supervisor: Supervisor) -> None:
        """A tenth of a second has passed."""

    def over(self, report: Report) -> None:
        """The tasks have ended, or the ladder has."""

    def forced(self, report: Report, told: bool) -> None:
        """The process would not end, and is ended now; `told` says whether `over` was called before."""


class Supervisor:
    """One process under a ladder: started by the first OS signal, moved on by each further one."""

    def __init__(self, ladder: Ladder, signals: Mapping[int, type[Signal]], observer: Observer) -> None:
        self.ladder = ladder
        self.signals = signals
        self.observer = observer
        self.signum: int | None = None
        self.stopping: Stopping | None = None
        self.report: Report | None = None
        self.program_handler: Callable[[int, FrameType | None], bool] | None = None
        """What the hosted program does on a signal (R29): gives whether there was anything to do."""
        self.program_listens: Callable[[int], bool] = lambda signum: False
        """Whether the hosted program has a handler of its own for that signal."""
        self._loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self._zero = math.inf  # when the ladder began, by the watchdog's count of its rungs
        self._deadline = math.inf  # when the process is to be gone: the seconds of a skipped rung are a reserve
        self._signalled_at = 0.0
        self._first = 0
        self._heard = False
        self._overdue = False
        self._os_signals = OsSignals(signals, self.signalled, self.overdue)
        self.listen = self._os_signals.listen  # hear of an OS signal at once, also where a loop has begun to
        self.watchdog = Watchdog(self._tick, self._last_words)

    def __enter__(self) -> Supervisor:
        self._os_signals.__enter__()
        self.watchdog.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._os_signals.__exit__()
        if self.signum is None:  # else it stays on guard until the process is gone
            self.watchdog.stop()

    def attach(self, loop: AbstractEventLoop) -> None:
        """What runs in this loop is to be stopped, too."""
        self._loops.add(loop)
        loop.call_soon(self.listen)  # when it runs: uvloop does so then, and a hosted program's is still being made
        if self.signum is not None and self.stopping is None:  # it came before there was any loop
            loop.call_soon(self._begin, loop)

    # -- in the signal handler ------------------------------------------------------------------------------------

    def signalled(self, signum: int, frame: FrameType | None, fresh: bool) -> None:
        """An OS signal came. Decide nothing here: this may be inside any line of the program."""
        loop, began = self._running_loop(), self.signum is None
        if began and loop is None and not self.program_listens(signum):
            die_of(signum) if signum != signal.SIGINT else signal.default_int_handler(signum, frame)
            return
        if began:
            self._start(signum, loop)
        if began or self._overdue:
            self._overdue = False
            if self.program_handler is not None:
                self.program_handler(signum, frame)
            return
        if self.program_handler is not None and self.program_handler(signum, frame):
            return  # the hosted program, having drained, has put the default action back and taken it
        if fresh:
            self._go_on(loop)

    def overdue(self, signum: int) -> None:
        """The main thread does not come to `signalled`: do what needs no main thread. In a thread of its own (R30)."""
        loop = self._running_loop()
        if self.signum is not None:
            self._go_on(loop)
        elif loop is not None or self.program_listens(signum):
            self._overdue = True
            self._start(signum, loop)

    def _start(self, signum: int, loop: AbstractEventLoop | None) -> None:
        self._heard = self.program_listens(signum)
        self.signum, self._signalled_at = signum, now()
        self._first = self.ladder.rungs.index(self.ladder.from_level(self.signals[signum].level).rungs[0])
        self._moved_to(self._first)
        self._deadline = self._zero + self.ladder.total
        self.watchdog.arm(self.ladder.total + self.ladder.limit)
        if loop is not None:
            loop.call_soon_threadsafe(self._begin, loop)

    def _go_on(self, loop: AbstractEventLoop | None) -> None:
        self._moved_to(self.ladder.index_at(now() - self._zero) + 1)
        self._deadline = min(self._deadline, self._zero + self.ladder.total)  # a person is in a hurry
        if loop is not None:
            loop.call_soon_threadsafe(self._advance)

    def _running_loop(self) -> AbstractEventLoop | None:
        return next((loop for loop in tuple(self._loops) if loop.is_running()), None)

    def _moved_to(self, index: int) -> None:
        """Keep the watchdog's count of the ladder, without the loop's; a late rung buys no time (R30)."""
        self._zero = min(self._zero, now() - self.ladder.start(min(index, len(self.ladder.rungs) - 1)))

    # -- in the loop ----------------------------------------------------------------------------------------------

    def _begin(self, loop: AbstractEventLoop) -> None:
        if self.stopping is None or self.stopping.done.done():
            self.stop_everything(loop, self._first)

    def stop_everything(self, loop: AbstractEventLoop, first: int, reason: str | None = None) -> Stopping:
        """Put the ladder, from its rung `first`, to every task of the loop."""
        self.stopping = Stopping(
            loop,
            (),
            self.ladder,
            reason or self.cause,
            everything=True,
            heard=self._heard,
            sender="sigtask.run",
            seconds=self._deadline - now(),
            on_rung=self._on_rung,
            on_extend=self._on_extend,
        )
        self.stopping.begin(first)
        return self.stopping

    def _advance(self) -> None:
        if self.stopping is not None:
            self.stopping.be_over_in(self._deadline - now())
            self.stopping.advance()

    def _on_rung(self, rung: Rung) -> None:
        self._moved_to(self.ladder.rungs.index(rung))
        if self.signum is not None:
            self.observer.rung(rung, self)

    def _on_extend(self, granted: float) -> None:
        self._zero += granted
        self._deadline += granted

    # -- for whoever looks on -------------------------------------------------------------------------------------

    @property
    def cause(self) -> str:
        """What started it: the name of the OS signal."""
        return "the end of main()" if self.signum is None else name_of(self.signum)

    @property
    def tasks_left(self) -> int:
        """How many tasks are still to end."""
        return 0 if self.stopping is None else len(self.stopping.alive)

    @property
    def rung_due(self) -> Rung | None:
        """The rung that should be under way by the watchdog's count, which a blocked loop does not stop."""
        index = self.ladder.index_at(now() - self._zero)
        return self.ladder.rungs[index] if index < len(self.ladder.rungs) else None

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung, by the watchdog's count."""
        return self.ladder.left(now() - self._zero)

    @property
    def time_left(self) -> float:
        """Seconds until the process is to be gone."""
        return max(0.0, self._deadline - now())

    @property
    def slowest(self) -> str:
        """Where the first task stands that is left and waits for no child; where the loop is blocked, if it is."""
        rows = () if self.stopping is None else tuple(self.stopping.alive)
        running = next((task for task in rows if task is asyncio.current_task(task.get_loop())), None)
        if self.stopping is None or running is not None:
            return f"the loop is blocked at {thread_place(threading.main_thread().ident or 0)}"
        if not rows:
            return thread_places()
        parents = {task._parent for task in rows if isinstance(task, Task)}
        first = next((task for task in rows if task not in parents), rows[0])  # a parent only waits for its children
        return f"{first.get_name()} at {task_place(first)}"

    # -- in the watchdog's thread ---------------------------------------------------------------------------------

    def _tick(self) -> int | None:
        if now() >= self._deadline + MARGIN:
            return 128 + (self.signum or signal.SIGTERM)
        try:
            self.observer.tick(self)
        except Exception:  # an observer that fails must not take the watchdog with it (R30)
            log.exception("the observer's tick() failed")
        return None

    def _last_words(self) -> None:
        told = self.report is not None
        try:
            report = self.conclude()
        except Exception:  # it is made while the loop's thread may change everything: the threads are still told of
            report = Report(str(self.ladder), self.cause, round(now() - self._signalled_at, 3), (), ())
        report.note = "the process did not end by itself in the ladder's time: the watchdog ended it"
        report.threads = threads()
        report.children = children()
        self.observer.forced(report, told)

    def conclude(self) -> Report:
        """The report as of now."""
        if self.report is not None:
            return self.report
        if self.stopping is not None:
            return self.stopping.done.result() if self.stopping.done.done() else self.stopping.report()
        rows = [TaskReport(t.get_name(), note=task_place(t)) for loop in self._loops for t in asyncio.all_tasks(loop)]
        return Report(str(self.ladder), self.cause, round(now() - self._signalled_at, 3), tuple(rows), ())

    def conclude_at_exit(self) -> None:
        """The hosted program has run to its end: tell what the ladder did, if it was climbed."""
        if self.signum is not None and self.report is None:
            if self.stopping is not None:
                self.stopping.finish()
            self.report = self.conclude()
            self.observer.over(self.report)

    def conclude_by_default_action(self) -> None:
        """The hosted program has drained, and ends itself by the signal's default action now."""
        report = self.conclude()
        report.note = f"the program drained, and ended itself by {self.cause}"
        for row in report.survivors:
            row.ended = "ended with the process"
        self.report = report
        self.observer.over(report)
