"""Hear SIGINT and SIGTERM beside the server that handles them.

A server tells its app about a shutdown only when the last request has ended, which is too late to tell those requests.
So the handler that the server has set is wrapped: it still runs, and we know, too. A signal without a handler stays as
it is. Under `sigtask run`, the wrapper is the program's own handler, and so its Drain.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNUMS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Call `on_signal(name, late)` in the loop when the server gets a signal that it takes as "stop".

    With a `delay`, the server gets the signal only after so many seconds: `on_signal` is called at once with `late`
    false, and with `late` true when the server gets it. A second signal ends the delay.
    """

    def __init__(self, on_signal: Callable[[str, bool], None], delay: float = 0.0) -> None:
        self._on_signal = on_signal
        self._delay = delay
        self._ours: dict[int, tuple[Any, Any]] = {}
        """By signal: our handler, and the one that it wraps."""
        self._timer: TimerHandle | None = None
        self._came = False
        self._passing_on = False

    def listen(self, loop: AbstractEventLoop) -> None:
        """Wrap the handlers that are set now. Call it in the loop; outside the main thread it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in _SIGNUMS:
            theirs = signal.getsignal(signum)
            if not callable(theirs) or _is_pythons(theirs) or self._is_ours(signum, theirs):
                continue
            if self._delay and str(getattr(theirs, "__module__", "")).partition(".")[0] in ("asyncio", "uvloop"):
                warnings.warn(
                    f"drain_delay={self._delay:g}: this server hears {signal.Signals(signum).name} by "
                    "loop.add_signal_handler, so it cannot be kept from it; wait in the preStop hook instead",
                    RuntimeWarning,
                    stacklevel=2,
                )
            ours = self._wrapped(loop, theirs)
            signal.signal(signum, ours)
            self._ours[signum] = ours, theirs

    def leave(self) -> None:
        """Restore the handlers, where ours is still in place."""
        if threading.current_thread() is threading.main_thread():
            for signum, (_, theirs) in self._ours.items():
                if self._is_ours(signum, signal.getsignal(signum)):
                    signal.signal(signum, theirs)
            self._ours.clear()

    def _is_ours(self, signum: int, handler: object) -> bool:
        return signum in self._ours and self._ours[signum][0] is handler

    def _wrapped(self, loop: AbstractEventLoop, theirs: Any) -> Callable[[int, FrameType | None], object]:
        def handle(signum: int, frame: FrameType | None) -> None:
            if self._passing_on:  # the app has wrapped our handler, and later we have wrapped the app's
                theirs(signum, frame)
                return
            first, self._came = not self._came, True
            with contextlib.suppress(RuntimeError):  # the loop is closed: there are no handlers to be told
                if first and self._delay:
                    loop.call_soon_threadsafe(self._wait, loop, signum, theirs)
                    return
                loop.call_soon_threadsafe(self._pass_on, signum, None)
            self._call(theirs, signum, frame)

        return handle

    def _call(self, theirs: Any, signum: int, frame: FrameType | None) -> None:
        self._passing_on = True
        try:
            theirs(signum, frame)
        finally:
            self._passing_on = False

    def _wait(self, loop: AbstractEventLoop, signum: int, theirs: Any) -> None:
        self._on_signal(signal.Signals(signum).name, False)
        self._timer = loop.call_later(self._delay, self._pass_on, signum, theirs)

    def _pass_on(self, signum: int, theirs: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_signal(signal.Signals(signum).name, True)
        if theirs is not None:
            self._call(theirs, signum, None)


def _is_pythons(handler: Any) -> bool:
    """No server's: the default one for SIGINT, or that of `asyncio.run`, which puts it back only where it finds it."""
    theirs = getattr(handler, "func", handler)  # it is a partial
    return handler is signal.default_int_handler or getattr(theirs, "__module__", None) == "asyncio.runners"
