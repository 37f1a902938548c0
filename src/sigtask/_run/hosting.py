"""Hosts a program that knows nothing of sigtask (R29).

Its loops get our task factory, wherever it makes them. A handler that it sets for an OS signal of ours does not replace
our handler: it is stored, and called at the first rung as the program's own Drain. The program sees no difference:
`signal.signal` and `signal.getsignal` return what it has set itself.

This is the only module that patches the standard library, and only in a process that `sigtask run` has started.

The program's worker processes are hosted, too (`workers`). There, signals belong to the program alone until the first
loop runs: a worker without a loop ends as it does without sigtask.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from .._core.factory import install
from . import runner
from .first_act import seen_through
from .importing import when_imported
from .os_signals import die_of, put_back
from .settings import Settings
from .supervisor import Supervisor
from .workers import ladder_of_worker, reach_workers, view_of_worker


class Host:
    """Stands between one program and the signals and loops of this process."""

    def __init__(self, supervisor: Supervisor, settings: Settings) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._signums = set(supervisor.signals)
        self._set: dict[int, Any] = {n: seen_through(n, signal.getsignal(n)) for n in self._signums}
        self._moved_in = contextlib.ExitStack()
        self._signals_taken = contextlib.ExitStack()
        self._hears = False
        supervisor.own_handler = self._set.get

    def move_in(self) -> None:
        """Patch `signal.signal`, `signal.getsignal`, and how loops are made."""
        self._hears = True
        self._patch_signal_module()
        self.wait_for_a_loop()

    def wait_for_a_loop(self) -> None:
        """Patch how loops are made. Leave signals alone until a loop runs in the main thread."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_anew_in_the_fork)
        self._moved_in.callback(reach_workers(self._settings, self._at_workers_end))
        self._patch_runner()
        self._patch_loops(asyncio.BaseEventLoop)
        self._moved_in.callback(when_imported("uvloop", lambda uvloop: self._patch_loops(uvloop.Loop)))

    def move_out(self) -> None:
        """Undo the patches."""
        self._signals_taken.close()
        self._moved_in.close()

    def _begin_anew_in_the_fork(self) -> None:
        """In a fork: the handlers are the program's own, until it runs a loop."""
        if runner.host is not self._supervisor:
            return  # the program is over, and the handlers are as they were
        if self._hears:
            self._signals_taken.close()
            put_back(self._set)
        self._hears = False
        # The same object, as the frames around know it: no signal has come here; loops and threads are the parent's.
        told = self._settings
        ladder, view, first = ladder_of_worker(told), view_of_worker(told), told.main_first
        Supervisor.__init__(self._supervisor, ladder, told.signals, view, main_first=first, control=told.control)
        self._supervisor.own_handler = self._set.get

    def _hear(self) -> None:
        """The worker runs a loop: handle its signals from now on."""
        if not self._hears and threading.current_thread() is threading.main_thread():
            self._hears = True
            self._set.update((signum, signal.getsignal(signum)) for signum in self._signums)
            self._supervisor.__enter__()
            self._patch_signal_module()

    def _at_workers_end(self, status: int) -> int:
        """Called when a worker of `multiprocessing` ends; gives its exit status."""
        supervisor = self._supervisor
        if supervisor.signum is not None:
            supervisor.wind_up_all()
            by_signal = supervisor.exit is not None and supervisor.exit.code == status
            supervisor.conclude_at_exit(-supervisor.signum if by_signal else status)
            if by_signal:  # as without sigtask
                die_of(supervisor.signum)
        return status

    # -- signals --------------------------------------------------------------------------------------------------

    def _patch_signal_module(self) -> None:
        """uvloop keeps these functions, also in a fork: there they are the real ones until we hear, and ours again."""
        real_signal, real_getsignal, real_set_wakeup_fd = signal.signal, signal.getsignal, signal.set_wakeup_fd

        def set_signal(signalnum: int, handler: Any) -> Any:
            if signalnum not in self._signums or not self._hears:
                return real_signal(signalnum, handler)
            if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
                raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
            if threading.current_thread() is not threading.main_thread():
                return real_signal(signalnum, handler)  # it raises the right error
            self._supervisor.os_signals.hear(signalnum, ignored=handler == signal.SIG_IGN)
            before, self._set[signalnum] = self._set[signalnum], handler
            return before

        def get_signal(signalnum: int) -> Any:
            return self._set[signalnum] if signalnum in self._signums and self._hears else real_getsignal(signalnum)

        def set_wakeup_fd(fd: int, *, warn_on_full_buffer: bool = True) -> int:
            if threading.current_thread() is not threading.main_thread() or not self._hears:
                return real_set_wakeup_fd(fd, warn_on_full_buffer=warn_on_full_buffer)
            return self._supervisor.os_signals.lend(fd)

        self._put(signal, "signal", set_signal, self._signals_taken)
        self._put(signal, "getsignal", get_signal, self._signals_taken)
        self._put(signal, "set_wakeup_fd", set_wakeup_fd, self._signals_taken)

    def _put(self, place: Any, name: str, new: Any, stack: contextlib.ExitStack | None = None) -> None:
        (stack or self._moved_in).callback(setattr, place, name, getattr(place, name))
        setattr(place, name, new)

    # -- loops ----------------------------------------------------------------------------------------------------

    def _patch_loops(self, cls: Any) -> None:
        host, made, run_until_complete = self, cls.__init__, cls.run_until_complete

        def __init__(loop: Any, *args: Any, **kwargs: Any) -> None:
            made(loop, *args, **kwargs)
            install(loop)
            host._supervisor.attach(loop)
            if not host._hears:
                loop.call_soon(host._hear)

        def run_bare(loop: Any, future: Any) -> Any:
            if host._supervisor.is_run_by_us(loop):
                return run_until_complete(loop, future)
            with host._supervisor.running_bare():
                return run_until_complete(loop, future)

        self._put(cls, "__init__", __init__)
        self._put(cls, "run_until_complete", run_bare)

    def _patch_runner(self) -> None:
        supervisor, run, close = self._supervisor, asyncio.Runner.run, asyncio.Runner.close

        def run_main(runner: asyncio.Runner, coro: Any, **kwargs: Any) -> Any:
            with supervisor.running(runner.get_loop(), coro):
                return run(runner, coro, **kwargs)

        def wind_up_and_close(runner: asyncio.Runner) -> None:
            """Its closing cancel-all is a part of the ladder: a mask holds."""
            if supervisor.signum is not None:
                with contextlib.suppress(RuntimeError):  # closed already
                    supervisor.wind_up(runner.get_loop())
            close(runner)

        self._put(asyncio.Runner, "run", run_main)
        self._put(asyncio.Runner, "close", wind_up_and_close)


def move_in_as_worker(settings_text: str) -> None:
    """The first call in a process that `multiprocessing` has started for a hosted program: see `workers`."""
    settings = Settings.from_text(settings_text)
    if settings.uvloop:
        with contextlib.suppress(ImportError):
            make_default(importlib.import_module("uvloop").new_event_loop)
    ladder, view = ladder_of_worker(settings), view_of_worker(settings)
    first, control = settings.main_first, settings.control
    runner.host = supervisor = Supervisor(ladder, settings.signals, view, main_first=first, control=control)
    Host(supervisor, settings).wait_for_a_loop()


def make_default(loop_factory: Callable[[], AbstractEventLoop]) -> None:
    """Let `asyncio.run` and `new_event_loop` in the program make this kind of loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # policies go in 3.16; programs' loops still come from one

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> AbstractEventLoop:
                return loop_factory()

        asyncio.set_event_loop_policy(Policy())
