"""The house for a program that knows nothing of sigtask (R29).

Its loops get our task factory, wherever it makes them. The handlers it sets for our OS signals do not replace ours:
they are kept, and called at the first rung as the program's own Drain. To the program everything looks as it would
without us: `signal.signal` and `signal.getsignal` answer with what it set itself.

This is the one place that patches; it does so in a process that `sigtask run` has started for the purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import Any

from .._core.factory import install
from . import runner
from .first_act import seen_through
from .os_signals import put_back
from .supervisor import Supervisor


class Host:
    """Stands between one program and this process's signals and loops."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._signums = set(supervisor.signals)
        self._set: dict[int, Any] = {n: seen_through(n, signal.getsignal(n)) for n in self._signums}
        self._moved_in = contextlib.ExitStack()
        supervisor.own_handler = self._set.get

    def move_in(self) -> None:
        """Patch this process: `signal.signal`, `signal.getsignal`, and what new loops are."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave_to_the_fork)
        self._patch_signal_module()
        self._patch_runner()
        self._patch_loops(asyncio.BaseEventLoop)
        try:
            from uvloop import Loop
        except ImportError:
            return
        self._patch_loops(Loop)

    def move_out(self) -> None:
        """Put back what was there before."""
        self._moved_in.close()

    def _leave_to_the_fork(self) -> None:
        """What the program forks is on its own: no ladder, and the handlers are the program's."""
        if runner.host is not self._supervisor:
            return  # the program is over, and the handlers are as they were
        self.move_out()
        runner.host = None
        put_back(self._set)

    # -- signals --------------------------------------------------------------------------------------------------

    def _patch_signal_module(self) -> None:
        real_signal, real_getsignal, real_set_wakeup_fd = signal.signal, signal.getsignal, signal.set_wakeup_fd
        os_signals = self._supervisor.os_signals

        def set_signal(signalnum: int, handler: Any) -> Any:
            if signalnum not in self._signums:
                return real_signal(signalnum, handler)
            if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
                raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
            if threading.current_thread() is not threading.main_thread():
                return real_signal(signalnum, handler)  # which says why not
            os_signals.hear(signalnum, ignored=handler == signal.SIG_IGN)
            before, self._set[signalnum] = self._set[signalnum], handler
            return before

        def get_signal(signalnum: int) -> Any:
            return self._set[signalnum] if signalnum in self._signums else real_getsignal(signalnum)

        def set_wakeup_fd(fd: int, *, warn_on_full_buffer: bool = True) -> int:
            if threading.current_thread() is not threading.main_thread():
                return real_set_wakeup_fd(fd, warn_on_full_buffer=warn_on_full_buffer)
            return os_signals.lend(fd)

        self._put(signal, "signal", set_signal)
        self._put(signal, "getsignal", get_signal)
        self._put(signal, "set_wakeup_fd", set_wakeup_fd)

    def _put(self, place: Any, name: str, new: Any) -> None:
        self._moved_in.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, new)

    # -- loops ----------------------------------------------------------------------------------------------------

    def _patch_loops(self, cls: Any) -> None:
        host, made, run_until_complete = self, cls.__init__, cls.run_until_complete

        def __init__(loop: Any, *args: Any, **kwargs: Any) -> None:
            made(loop, *args, **kwargs)
            install(loop)
            host._supervisor.attach(loop)

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
