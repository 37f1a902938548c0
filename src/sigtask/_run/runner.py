"""`run()`: a program under a ladder, tied to the OS's signals (R29, R30)."""

from __future__ import annotations

import asyncio
import inspect
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from .._core.factory import install
from .._core.stock import running_loop
from .._stop.told import told
from ..ladder import Ladder
from ..signals import Signal, level_of
from ..threads import dismiss_idle
from .observer import LogObserver, Observer
from .os_signals import name_of
from .settings import DEFAULT_SIGNALS, NOT_TO_BE_HANDLED, control_is_on, default_ladder
from .supervisor import Supervisor
from .view import default_observer

_T = TypeVar("_T")


def run(
    main: Coroutine[Any, Any, _T],
    *,
    ladder: Ladder | None = None,
    signals: Mapping[int, type[Signal]] | None = None,
    loop_factory: Callable[[], AbstractEventLoop] | None = None,
    debug: bool | None = None,
    observer: Observer | None = None,
    control: bool | None = None,
) -> _T:
    """Run a program as `asyncio.run` does, with sigtask's tasks, and stop it by a ladder on SIGINT and SIGTERM.

    The first of these signals starts the ladder on all tasks of all loops of the process. Each further one moves to the
    next rung at once; two within half a second count as one. A signal that is ignored stays ignored. A Drain and a Kill
    go to all tasks at once, any other rung to `main` first: its `finally` can use the tasks it has started. The other
    tasks get it when `main` has ended, or half of the grace is over.

    When the ladder is over, the process exits, whatever blocks it: a watchdog thread sees to that. Tasks still running
    when `main` returns are stopped, starting with Terminate.

    In a script that runs under `sigtask run`, the command's ladder, signals, view and control are used instead.

    Args:
        main: The coroutine to run.
        ladder: Default: the environment variable `SIGTASK_LADDER`, or else drain 10 s, terminate 5 s, kill.
        signals: Which OS signals stop the program, and the weakest signal that each stands for. With `{SIGINT:
            Interrupt, SIGTERM: Drain}`, SIGINT starts at the first rung of Interrupt's level or above.
        loop_factory: As for `asyncio.Runner`.
        debug: As for `asyncio.run`.
        observer: Told how the stop goes, by its methods `rung`, `tick`, `over` and `forced`. Default: a live view if
            stderr is a terminal, or else `logging.getLogger("sigtask")`: the report at WARNING when a task resisted,
            else at INFO.
        control: Open the control socket for `sigtask ps`, `kill`, `stop` and `top`. Default: `SIGTASK_CONTROL`.

    Returns:
        What `main` returns, also after a Drain.

    Raises:
        KeyboardInterrupt: When a SIGINT stopped the program and `main` did not return.
        SystemExit: With status 128 + n, when another OS signal n did.
        RuntimeError: Inside a running loop.
        ValueError: When `main` is not a coroutine, or `SIGTASK_LADDER` is not a ladder.
        TypeError: For a wrong ladder or signal.
        BaseException: Whatever `main` raises.

    Example::

        async def main():
            return "done"

        print(run(main(), ladder=Ladder.parse("drain=10s,terminate=5s,kill")))  # done

    .. versionadded:: 0.1.0

    .. versionchanged:: 0.2.0
        The parameter `control`.
    """
    ladder, signals, control = _checked(main, ladder, signals, control)
    if host is not None:  # use the ladder and the view of `sigtask run`
        return _run(host, main, loop_factory, debug)
    observer = observer or default_observer() or LogObserver()
    with Supervisor(ladder, signals, observer, control=control) as supervisor:
        value = _run(supervisor, main, loop_factory, debug)
        supervisor.watchdog.stop()  # code after run() has all the time it wants
        return value


def _run(
    supervisor: Supervisor,
    main: Coroutine[Any, Any, _T],
    loop_factory: Callable[[], AbstractEventLoop] | None,
    debug: bool | None,
) -> _T:
    runner = asyncio.Runner(debug=debug, loop_factory=loop_factory)
    try:
        loop = runner.get_loop()
        install(loop)
        supervisor.attach(loop)
        if supervisor is not host:
            supervisor.os_signals.listen_with(loop)
        try:
            with supervisor.running(loop, main):
                return runner.run(main)
        finally:
            supervisor.wind_up(loop)
    finally:
        _close(supervisor, runner)


host: Supervisor | None = None
"""The supervisor of `sigtask run`, in the process of a program that it hosts."""
refusal: Exception | None = None
"""Raised by `run()` instead of running, while `sigtask run package.module:main` imports the program."""


def _checked(
    main: Any, ladder: Ladder | None, signals: Mapping[int, type[Signal]] | None, control: bool | None
) -> tuple[Ladder, Mapping[int, type[Signal]], bool]:
    try:
        if not asyncio.iscoroutine(main):
            hint = ": call it, as in run(main())" if inspect.iscoroutinefunction(main) else ""
            raise ValueError(f"run() takes a coroutine, got {main!r:.200}{hint}")
        if refusal is not None:
            raise refusal
        if running_loop() is not None:
            raise RuntimeError("run() cannot be called in a running loop; there, use `await stop(...)` on the tasks")
        if ladder is not None and not isinstance(ladder, Ladder):
            raise TypeError(
                f"ladder is {ladder!r:.200}; give a sigtask.Ladder, as in Ladder.parse('terminate=5s,kill')"
            )
        if signals is not None and not isinstance(signals, Mapping):
            raise TypeError(f"signals is {signals!r:.200}; give a mapping, as in {{signal.SIGINT: Interrupt}}")
        for signum, cls in (signals or {}).items():
            if signum not in signal.valid_signals():
                raise ValueError(
                    f"signals: {signum!r:.200} is not a signal of this system; say signal.SIGTERM, for example"
                )
            if signal.Signals(signum) in NOT_TO_BE_HANDLED:
                raise ValueError(f"signals: {name_of(signum)} cannot be handled by any program; leave it out")
            level_of(cls, f"signals[{signum!r}]", kill=True)
        ladder = ladder or default_ladder()
        control = control_is_on() if control is None else bool(control)
    except BaseException:
        if asyncio.iscoroutine(main):
            main.close()
        raise
    return ladder, DEFAULT_SIGNALS if signals is None else signals, control


def _close(supervisor: Supervisor, runner: asyncio.Runner) -> None:
    """Close the loop without waiting for a task that even a Kill could not reach, as `Runner.close` would."""
    report = supervisor.conclude() if supervisor.stoppings else None
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
        supervisor.observer.over(told(report, "run"))
