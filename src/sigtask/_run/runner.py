"""`run()`: a program under a ladder, tied to the OS's signals (R29, R30)."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import signal
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from .._core.factory import install
from ..ladder import DEFAULT, Ladder, Rung
from ..report import Report, counted
from ..signals import Drain, Signal, Terminate, level_of
from ..threads import dismiss_idle
from .os_signals import name_of
from .supervisor import Observer, Supervisor

_T = TypeVar("_T")
log = logging.getLogger("sigtask")

DEFAULT_SIGNALS: Mapping[int, type[Signal]] = {signal.SIGINT: Drain, signal.SIGTERM: Drain}
_NOT_TO_BE_HANDLED = {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}


class LogObserver:
    """Tells `logging.getLogger("sigtask")`: a line a rung, and the report if anyone resisted."""

    def rung(self, rung: Rung, supervisor: Supervisor) -> None:
        """Log that a rung begins."""
        log.info("%s: %s, %g s for %s", supervisor.cause, rung.name, rung.grace, counted(supervisor.tasks_left))

    def tick(self, supervisor: Supervisor) -> None:
        """Nothing: a log is not a screen."""

    def over(self, report: Report) -> None:
        """Log the report."""
        log.log(logging.WARNING if report.resisted else logging.INFO, "%s", report)

    def forced(self, report: Report, told: bool) -> None:
        """Log why."""
        log.error("%s", report.last_words if told else report)


def run(
    main: Coroutine[Any, Any, _T],
    *,
    ladder: Ladder | None = None,
    signals: Mapping[int, type[Signal]] | None = None,
    loop_factory: Callable[[], AbstractEventLoop] | None = None,
    debug: bool | None = None,
    observer: Observer | None = None,
) -> _T:
    """Run a program as `asyncio.run` does, with sigtask's tasks, and stop it by a ladder when the OS says so.

    The first SIGINT or SIGTERM puts `ladder` (by default drain 10 s, terminate 5 s, kill) to every task of the loop;
    each further one moves to the next rung at once; two within half a second count as one. `signals` maps OS signals
    to the weakest signal each stands for: `{SIGINT: Interrupt, SIGTERM: Drain}` starts SIGINT at the first rung of
    Interrupt's level or above. When the ladder's time is over the process is gone, whatever blocks it: a watchdog
    thread sees to that. Tasks that `main` leaves behind get the ladder from Terminate on. In a script that is run with
    `sigtask run`, the command line's ladder, signals and view are used in place of these.

    Returns what `main` returns, also when it was asked to drain and did. Raises: `SystemExit(128 + signum)` when it
    was stopped by a stronger rung; what `main` raises; `RuntimeError` inside a running loop; `ValueError` when
    `main` is no coroutine; `TypeError` for a wrong ladder or signal.
    """
    ladder, signals = _checked(main, ladder, signals)
    with _hosted() or Supervisor(ladder, signals, observer or LogObserver()) as supervisor:
        runner = asyncio.Runner(debug=debug, loop_factory=loop_factory)
        try:
            install(runner.get_loop())
            supervisor.attach(runner.get_loop())
            try:
                return runner.run(main)
            except CancelledError:
                if supervisor.signum is None:
                    raise
                raise SystemExit(128 + supervisor.signum) from None
            finally:
                _wind_up(supervisor, runner.get_loop())
        finally:
            _close(supervisor, runner)


host: Supervisor | None = None
"""The supervisor of `sigtask run`, in the process of a program that it hosts."""


def _hosted() -> contextlib.AbstractContextManager[Supervisor] | None:
    """Under `sigtask run`, its ladder and its view are what the person asked for: a `run()` inside joins them."""
    return None if host is None else contextlib.nullcontext(host)


def _checked(
    main: Any, ladder: Ladder | None, signals: Mapping[int, type[Signal]] | None
) -> tuple[Ladder, Mapping[int, type[Signal]]]:
    try:
        if not asyncio.iscoroutine(main):
            hint = ": call it, as in run(main())" if inspect.iscoroutinefunction(main) else ""
            raise ValueError(f"run() takes a coroutine, got {main!r}{hint}")
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("run() cannot be called in a running loop; there, use `await stop(...)` on the tasks")
        if ladder is not None and not isinstance(ladder, Ladder):
            raise TypeError(f"ladder is {ladder!r}; give a sigtask.Ladder, as in Ladder.parse('terminate=5s,kill')")
        if signals is not None and not isinstance(signals, Mapping):
            raise TypeError(f"signals is {signals!r}; give a mapping, as in {{signal.SIGINT: Interrupt}}")
        for signum, cls in (signals or {}).items():
            if signum not in signal.valid_signals():
                raise ValueError(f"signals: {signum!r} is no signal of this system; say signal.SIGTERM, for example")
            if signal.Signals(signum) in _NOT_TO_BE_HANDLED:
                raise ValueError(f"signals: {name_of(signum)} cannot be handled by any program; leave it out")
            level_of(cls, f"signals[{signum!r}]", kill=True)
    except BaseException:
        if asyncio.iscoroutine(main):
            main.close()
        raise
    return ladder or DEFAULT, DEFAULT_SIGNALS if signals is None else signals


def _wind_up(supervisor: Supervisor, loop: AbstractEventLoop) -> None:
    """`main` has ended: what it left behind gets the ladder from Terminate on, and is waited for."""
    stopping = supervisor.stopping
    if stopping is None or stopping.done.done():
        if not asyncio.all_tasks(loop):
            return
        terminate = supervisor.ladder.from_level(Terminate.level).rungs[0]
        if terminate.signal.level < Terminate.level and supervisor.signum is None:
            # A ladder for OS signals that stops nobody. What is left behind is stopped, as by asyncio.run.
            supervisor.ladder = DEFAULT.from_level(Terminate.level)
            terminate = supervisor.ladder.rungs[0]
        first = supervisor.ladder.rungs.index(terminate)
        cause = "" if supervisor.signum is None else f"{supervisor.cause}: "
        stopping = supervisor.stop_everything(loop, first, reason=f"{cause}main() has ended")
    else:
        stopping.advance(at_least=Terminate.level)
    loop.run_until_complete(stopping.done)


def _close(supervisor: Supervisor, runner: asyncio.Runner) -> None:
    """Close the loop; a task that even a Kill could not reach is not waited for, as `Runner.close` would for ever."""
    report = supervisor.conclude() if supervisor.stopping is not None else None
    dismiss_idle()
    if report is None or not report.survivors:
        runner.close()
    else:
        loop = runner.get_loop()
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
    if report is not None and (supervisor.signum is not None or report.resisted):
        supervisor.report = report
        supervisor.observer.over(report)
