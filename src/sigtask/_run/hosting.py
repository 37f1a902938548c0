"""The house for a program that knows nothing of sigtask (R29).

Its loops get our task factory, wherever it makes them. The handlers it sets for our OS signals do not replace ours:
they are kept, and called at the first rung as the program's own Drain. To the program everything looks as it would
without us: `signal.signal` and `signal.getsignal` answer with what it set itself.

This is the one place that patches; it does so in a process that `sigtask run` has started for the purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable
from types import FrameType
from typing import Any

from .._core.factory import install
from . import runner
from .first_act import seen_through
from .os_signals import die_of, put_back
from .supervisor import Supervisor


class Host:
    """Stands between one program and this process's signals and loops."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._signums = set(supervisor.signals)
        self._set: dict[int, Any] = {n: seen_through(n, signal.getsignal(n)) for n in self._signums}
        self._in_loop: dict[int, tuple[AbstractEventLoop, Callable[..., object], tuple[Any, ...]]] = {}
        self._served = False
        self._moved_in = contextlib.ExitStack()
        supervisor.program_handler = self._on_signal
        supervisor.program_listens = self._listens

    def move_in(self) -> None:
        """Patch this process: `signal.signal`, `signal.getsignal`, and what new loops are."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave_to_the_fork)
        self._patch_signal_module()
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

    def _on_signal(self, signum: int, frame: FrameType | None) -> bool:
        """What the program does about this signal. `True` at the first says that it listens, later that it acted."""
        if self._supervisor.stopping is None and not self._served:
            self._served = self._call_its_own(signum, frame)
            return self._served
        if not self._served or self._listens(signum):
            return False
        # Its handler ran, it has drained, and has put the default action back: this signal is its own way to end.
        if signum == signal.SIGINT:
            signal.default_int_handler(signum, frame)
        self._supervisor.conclude_by_default_action()
        die_of(signum)
        return True

    def _listens(self, signum: int) -> bool:
        return signum in self._in_loop or self._own_handler(signum) is not None

    def _call_its_own(self, signum: int, frame: FrameType | None) -> bool:
        if signum in self._in_loop:
            loop, callback, args = self._in_loop[signum]
            loop.call_soon_threadsafe(callback, *args)
            return True
        handler = self._own_handler(signum)
        if handler is None:
            return False
        self._served = True  # before the call: it may raise
        handler(signum, frame)
        return True

    def _own_handler(self, signum: int) -> Callable[[int, FrameType | None], object] | None:
        handler = self._set[signum]
        if not callable(handler) or handler is signal.default_int_handler:
            return None
        # asyncio.run() sets a handler for SIGINT in every program: that is not the program's own word for "drain".
        owner = getattr(getattr(handler, "func", None), "__self__", None)
        return None if isinstance(owner, asyncio.Runner) else handler

    def _patch_signal_module(self) -> None:
        real_signal, real_getsignal = signal.signal, signal.getsignal

        def set_signal(signalnum: int, handler: Any) -> Any:
            if signalnum not in self._signums:
                return real_signal(signalnum, handler)
            if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
                raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
            before, self._set[signalnum] = self._set[signalnum], handler
            return before

        def get_signal(signalnum: int) -> Any:
            return self._set[signalnum] if signalnum in self._signums else real_getsignal(signalnum)

        self._put(signal, "signal", set_signal)
        self._put(signal, "getsignal", get_signal)

    def _put(self, place: Any, name: str, new: Any) -> None:
        self._moved_in.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, new)

    # -- loops ----------------------------------------------------------------------------------------------------

    def _patch_loops(self, cls: Any) -> None:
        host, made = self, cls.__init__

        def __init__(loop: Any, *args: Any, **kwargs: Any) -> None:
            made(loop, *args, **kwargs)
            host._adopt(loop)

        self._put(cls, "__init__", __init__)

    def _adopt(self, loop: Any) -> None:
        install(loop)
        self._supervisor.attach(loop)
        add, remove = loop.add_signal_handler, loop.remove_signal_handler

        def add_signal_handler(sig: int, callback: Callable[..., object], *args: Any) -> None:
            if sig not in self._signums:
                add(sig, callback, *args)
                self._supervisor.listen()  # the loop has taken the interpreter's bytes for itself
                return
            if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
                raise TypeError("coroutines cannot be used with add_signal_handler()")
            self._in_loop[sig] = (loop, callback, args)

        def remove_signal_handler(sig: int) -> bool:
            if sig not in self._signums:
                removed = bool(remove(sig))
                self._supervisor.listen()  # with its last handler, the loop has given the bytes up
                return removed
            return self._in_loop.pop(sig, None) is not None

        loop.add_signal_handler, loop.remove_signal_handler = add_signal_handler, remove_signal_handler
