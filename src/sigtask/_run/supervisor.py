"""One process under a ladder, tied to the OS's signals: what `run()` and the command `sigtask run` share (R29, R30).

`Supervisor.signalled` runs in the OS signal handler and only hands over; the ladder is climbed in the loop, by
`Stopping`; the watchdog thread looks on from outside and ends the process when the ladder's time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import weakref
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, NoReturn

from .._core.stock import running_loop
from .._stop.places import threads
from .._stop.rows import report_of
from .._stop.stopping import Stopping
from .._stop.told import told
from .._stop.turns import Order, told_already
from ..ladder import Ladder, Rung
from ..report import Report, merged
from ..signals import Signal, Terminate
from . import systemd
from .children import children
from .clock import LadderClock
from .controlling import control_of
from .left_behind import ladder_from_terminate, let_be_told, tell_errors
from .observer import Observer
from .os_signals import OsSignals, die_of, name_of, programs_own
from .slowest import slowest_of
from .watchdog import Watchdog

log = logging.getLogger("sigtask")

MARGIN = 0.2
"""Seconds after the ladder's end in which a process that is ending by itself may still do so."""


class Supervisor:
    """One process under a ladder: the first OS signal starts it, each further one moves on.

    Every running loop has its own `Stopping`; the ladder's time is counted here for all of them.
    """

    def __init__(
        self,
        ladder: Ladder,
        signals: Mapping[int, type[Signal]],
        observer: Observer,
        *,
        main_first: bool = True,
        control: bool = False,
    ) -> None:
        self.ladder = ladder
        self.signals = signals
        self.observer = observer
        self.main_first = main_first
        self.signum: int | None = None
        self.report: Report | None = None
        self.stoppings: list[Stopping] = []
        self.own_handler: Callable[[int], Any] = lambda signum: self.os_signals.before.get(signum)
        """What the program has set for that OS signal, as `signal.getsignal` gives it."""
        self.exit: SystemExit | None = None
        """What the main thread was told by, where that was no `KeyboardInterrupt`."""
        self._loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self._mains: weakref.WeakKeyDictionary[AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        self._clock, self._first, self._told_in = LadderClock(ladder, systemd.stopping), 0, -1
        self._heard = self._overdue = self.reraised = False
        """Whether the program's own handler is gone again, and it has asked for the signal's default action."""
        self._yet_to_turn: set[AbstractEventLoop] = set()  # loops that have not turned since they were told to go on
        self.control = control_of(self) if control else None
        self.os_signals = OsSignals(signals, self.signalled, self.overdue, self.foreign)
        self.watchdog = Watchdog(self._tick, self._last_words, getattr(observer, "stacks", None))

    def __enter__(self) -> Supervisor:
        self.os_signals.__enter__()
        self.watchdog.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.signum is not None:
            self.os_signals.stay_on_guard()
        self.os_signals.__exit__()
        if self.signum is None:  # else it stays on guard until the process is gone
            self.watchdog.stop()
            if self.control is not None:
                self.control.close()

    def attach(self, loop: AbstractEventLoop) -> None:
        """Stop the tasks of this loop, too."""
        self._loops.add(loop)
        systemd.keep_alive(loop)
        if self.control is not None:
            self.control.attach(loop)
        loop.call_soon(self.os_signals.listen)  # when it runs: uvloop does so then
        if self.signum is not None:
            loop.call_soon(self._join, loop)

    # -- in the signal handler ------------------------------------------------------------------------------------

    def signalled(self, signum: int, frame: FrameType | None, fresh: bool) -> None:
        """An OS signal came. This may interrupt any line of the program, so it only hands over."""
        own = programs_own(signum, self.own_handler(signum))
        late, self._overdue = self._overdue, False
        loop = running_loop()
        blocked = loop is None or (fresh and loop in self._yet_to_turn)
        if self.signum is None:
            fresh = True
            if self._running() or signum != signal.SIGINT:
                self._start(signum, heard=own is not None)
        elif late:
            fresh = True
        elif own is None and self._heard:
            self._orderly_end_is_over(signum)
        elif fresh:
            self._go_on(for_good=own is None)
        if own is not None:
            own(signum, frame)
        elif fresh and blocked:
            self.tell_main_thread(signum)

    def overdue(self, signum: int, fresh: bool) -> None:
        """The main thread does not run `signalled`: do what can be done without it, in a thread of its own (R30)."""
        if self.signum is None:
            own = programs_own(signum, self.own_handler(signum))
            if self._running() or own is not None or signum != signal.SIGINT:
                self._overdue = True
                self._start(signum, heard=own is not None)
        elif fresh:
            self._go_on()

    def foreign(self, signum: int, fresh: bool) -> None:
        """A handler that the program has set in place of ours was called. Runs in a thread of its own (R29)."""
        if self.signum is None:
            if self._running():
                self._start(signum, heard=True)
        elif fresh:
            self._go_on(for_good=False)

    def tell_main_thread(self, signum: int) -> NoReturn:
        """Raise in the main thread what plain Python raises for SIGINT; SystemExit for a signal that would end it."""
        self._told_in = self._clock.index
        if signum == signal.SIGINT:
            if self.own_handler(signum) == signal.SIG_DFL and not self._running():
                self._die_of(signum)
            raise KeyboardInterrupt
        self.exit = SystemExit(128 + signum)
        raise self.exit

    def _start(self, signum: int, heard: bool) -> None:
        self._heard = heard
        self.signum = signum
        self._first = self.ladder.rungs.index(self.ladder.from_level(self.signals[signum].level).rungs[0])
        self._clock.start(self._first)
        self.watchdog.arm(self.ladder.total + self.ladder.limit)
        self._in_each_loop(self._begin, self._first)

    def _go_on(self, *, for_good: bool = True) -> None:
        """Go to the next rung, but not to a Kill while a handler of the program decides about a second signal."""
        if for_good or ((due := self._clock.rung) is not None and due.signal.level < Terminate.level):
            self._in_each_loop(self._advance, self._clock.hurry())

    def _orderly_end_is_over(self, signum: int) -> None:
        """The program's own handler was called and then removed: it wants the default action now, as uvicorn does."""
        self.reraised = True
        self._in_each_loop(self._advance, self._first, Terminate.level)
        if not self._running() and signum != signal.SIGINT:
            self._die_of(signum)

    def _die_of(self, signum: int) -> NoReturn:
        self.conclude_at_exit(-signum)
        die_of(signum)

    def _in_each_loop(self, do: Callable[..., None], *args: Any) -> None:
        def turned(loop: AbstractEventLoop) -> None:
            self._yet_to_turn.discard(loop)
            do(loop, *args)

        for loop in self._running():
            self._yet_to_turn.add(loop)
            loop.call_soon_threadsafe(turned, loop)

    def _running(self) -> list[AbstractEventLoop]:
        return [loop for loop in tuple(self._loops) if loop.is_running()]

    # -- in the loops ---------------------------------------------------------------------------------------------

    def _begin(self, loop: AbstractEventLoop, first: int) -> None:
        if self.at_work_on(loop) is None:
            self.stop_everything(loop, min(first, len(self.ladder.rungs) - 1))

    def _join(self, loop: AbstractEventLoop) -> None:
        """A loop that starts during the ladder, perhaps for a cleanup. It gets the ladder from the next rung on."""
        if not self.stoppings:
            self._begin(loop, self._first)  # the signal came before there was any loop
        else:
            loop.call_later(self.rung_left, lambda: self._begin(loop, self._clock.index))

    def _advance(self, loop: AbstractEventLoop, index: int, at_least: int = 0) -> None:
        stopping = self.at_work_on(loop)
        if stopping is None:
            self._begin(loop, index)
        else:
            stopping.be_over_in(self._clock.left)
            stopping.advance(at_least)

    def at_work_on(self, loop: AbstractEventLoop) -> Stopping | None:
        """The ladder that is at work on this loop."""
        return next((one for one in self.stoppings if one.loop is loop and not one.done.done()), None)

    def stop_everything(
        self, loop: AbstractEventLoop, first: int, reason: str | None = None, ladder: Ladder | None = None
    ) -> Stopping:
        """Start the ladder, at its rung `first`, on all tasks of the loop."""
        stopping = Stopping(
            loop,
            (),
            ladder or self.ladder,
            reason or self.cause,
            everything=True,
            order=lambda tasks: self._order(loop, tasks),
            sender="sigtask.run",
            seconds=self._clock.left,
            on_rung=self._on_rung,
            on_extend=self._clock.extend,
        )
        self.stoppings.append(stopping)
        stopping.begin(first)
        return stopping

    def _order(self, loop: AbstractEventLoop, tasks: Iterable[Any]) -> Order:
        """Main first: the code around a loop, once for each rung, where that runs for no coroutine in particular."""
        coro, signum, tell = self._mains.get(loop), self.signum or signal.SIGTERM, self.tell_main_thread
        main = None if coro is None else next((task for task in tasks if task.get_coro() is coro), None)
        outside: Callable[[], object] | None = None
        if threading.current_thread() is not threading.main_thread():
            outside = told_already  # by its own signal handler
        elif loop not in self._mains:
            outside = lambda: self._told_in == self._clock.index or loop.call_soon(tell, signum)  # noqa: E731
        return Order(main, outside, heard=self._heard, main_first=self.main_first)

    def _on_rung(self, rung: Rung) -> None:
        if self.signum is not None:
            self._clock.moved_to(self.ladder.rungs.index(rung))
            self.observer.rung(rung, self)

    # -- around the loops -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, loop: AbstractEventLoop, main: Any) -> Iterator[None]:
        """While a runner runs the coroutine `main` in that loop. What the ladder ends, ends as in plain Python."""
        self._mains[loop] = main
        try:
            yield
        except CancelledError:
            if any(one.loop is loop for one in self.stoppings):
                self._say_plainly()
            raise
        finally:
            self._mains.pop(loop, None)
        if self.reraised:
            self._say_plainly()

    @contextlib.contextmanager
    def running_bare(self) -> Iterator[None]:
        """The same while a loop runs without a runner: there, who awaits a task of his own gets what it ended by."""
        try:
            yield
        except Signal:
            self._say_plainly()
            raise

    def _say_plainly(self) -> None:
        if self.signum is not None and threading.current_thread() is threading.main_thread():
            self.tell_main_thread(self.signum)

    def is_run_by_us(self, loop: AbstractEventLoop) -> bool:
        """Whether a runner runs this loop, or `wind_up`."""
        return loop in self._mains

    def wind_up(self, loop: AbstractEventLoop) -> None:
        """`main` has ended: stop the tasks it has left behind, starting with Terminate, and wait for them."""
        self._mains[loop], left = None, asyncio.all_tasks(loop)  # no other code runs around it
        try:
            stopping = self.at_work_on(loop)
            if stopping is not None:
                stopping.let_everybody_be_told()
                stopping.advance(at_least=Terminate.level)
            elif left:
                stopping = self._stop_what_is_left(loop)
            if stopping is not None:
                loop.run_until_complete(stopping.done)
                tell_errors(loop, left)
        finally:
            self._mains.pop(loop, None)

    def _stop_what_is_left(self, loop: AbstractEventLoop) -> Stopping:
        cause = "" if self.signum is None else f"{self.cause}: "
        ladder, first = ladder_from_terminate(self.ladder, is_begun=self.signum is not None)
        return self.stop_everything(loop, first, f"{cause}main() has ended", ladder)

    def wind_up_all(self) -> None:
        """The program has ended: stop tasks that are left in loops of the main thread."""
        for stopping in tuple(self.stoppings):
            loop = stopping.loop
            if loop.is_running():
                loop.call_soon_threadsafe(let_be_told, stopping)
            elif not loop.is_closed() and asyncio.all_tasks(loop):
                self.wind_up(loop)

    # -- for observers -------------------------------------------------------------------------------------------

    @property
    def cause(self) -> str:
        """The name of the OS signal that started the ladder."""
        return "the end of main()" if self.signum is None else name_of(self.signum)

    @property
    def tasks_left(self) -> int:
        """How many tasks have not ended."""
        return sum(len(stopping.alive) for stopping in self.stoppings)

    @property
    def is_over(self) -> bool:
        """Whether all tasks have ended."""
        return not self._yet_to_turn and all(stopping.done.done() for stopping in self.stoppings)

    @property
    def rung(self) -> Rung | None:
        """The rung that the tasks were sent last; `None` before the first."""
        return next((one.rung for one in self.stoppings if not one.done.done()), None)

    @property
    def rung_due(self) -> Rung | None:
        """The rung that should be in progress by the watchdog's clock, which a blocked loop does not stop."""
        return self._clock.rung

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung, by the watchdog's clock."""
        return self._clock.rung_left

    @property
    def time_left(self) -> float:
        """Seconds until the process exits at the latest."""
        return max(0.0, self._clock.left)

    @property
    def slowest(self) -> str:
        """Where the first task stands that is left and waits for no child; where the loop is blocked, if it is."""
        tasks = [task for stopping in self.stoppings for task in tuple(stopping.alive)]
        return slowest_of(tasks, is_blocked=bool(self._yet_to_turn))

    # -- in the watchdog's thread ---------------------------------------------------------------------------------

    def _tick(self) -> int | None:
        if self._clock.left <= -MARGIN:
            return 128 + (self.signum or signal.SIGTERM)
        try:
            self.observer.tick(self)
        except Exception:  # an observer that fails must not take the watchdog with it (R30)
            log.exception("the observer's tick() failed")
        return None

    def _last_words(self) -> None:
        try:
            report = self.conclude()
        except Exception:  # it is made while the loop's thread may change everything: the threads are still told of
            report = report_of((), str(self.ladder), self.cause, self._clock.seconds)
        report.note = "the process did not end by itself in the ladder's time: the watchdog ended it"
        report.status, report.threads, report.children = 128 + (self.signum or signal.SIGTERM), threads(), children()
        self.observer.forced(report, self.report is not None)
        told(report, "force")

    def conclude(self) -> Report:
        """The report so far."""
        if self.report is not None:
            return self.report
        if self.stoppings:
            return merged([one.done.result() if one.done.done() else one.report() for one in self.stoppings])
        tasks = [task for loop in self._loops for task in asyncio.all_tasks(loop)]
        return report_of(tasks, str(self.ladder), self.cause, self._clock.seconds)

    def conclude_at_exit(self, status: int) -> None:
        """The hosted program has run to its end: tell what the ladder did, if it was climbed."""
        if self.signum is not None and self.report is None:
            for stopping in self.stoppings:
                if not stopping.loop.is_running():
                    stopping.finish()
            self.report = self.conclude()
            self.report.status = status
            if self.reraised:
                self.report.note = f"the program drained, and ended itself by {self.cause}"
            self.observer.over(told(self.report, "run"))
