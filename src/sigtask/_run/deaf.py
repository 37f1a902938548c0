"""Threads of our own, which leave the program as it would be without them (R29).

They get no OS signals. And those that are there all the time pause while the process forks: from Python 3.12 on, a fork
beside other threads is a DeprecationWarning, and where warnings are errors, `os.fork()` raises it on 3.14 and later,
although there is a child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any

# The function under `signal.pthread_sigmask`, which also makes an enum of each of 60 signals: 0.1 ms for each thread.
_set_mask: Any = getattr(sys.modules.get("_signal"), "pthread_sigmask", getattr(signal, "pthread_sigmask", None))


def start_deaf(thread: threading.Thread) -> None:
    """Start a thread that gets no signals, because another thread may wait for one in `sigwait`.

    Raises:
        RuntimeError: When no thread can be started: at the end of the interpreter on 3.12, or at the system's limit.
    """
    if _set_mask is None:
        thread.start()
        return
    before = _set_mask(signal.SIG_BLOCK, _blocked())
    try:
        thread.start()
    finally:
        _set_mask(signal.SIG_SETMASK, before)


@cache
def _blocked() -> frozenset[int]:
    """All signals but those of a fault, which go to the thread that has made it."""
    faults = {getattr(signal, name, None) for name in ("SIGSEGV", "SIGFPE", "SIGILL", "SIGBUS", "SIGABRT")}
    return frozenset(map(int, signal.valid_signals() - faults))


class DeafThread:
    """A daemon thread that gets no signals, and pauses during a fork.

    `let_go()` makes `run()` return, at once or when it is called next, or returns false if the thread has to stay.
    """

    def __init__(self, run: Callable[[], object], name: str, let_go: Callable[[], bool]) -> None:
        self._run = run
        self._name = name
        self._let_go = let_go
        self._thread = threading.Thread()

    def start(self) -> None:
        """Start it, if it does not run. Raises: `RuntimeError` where no thread can be started."""
        if not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            start_deaf(self._thread)
        _all.add(self)

    def stop(self) -> None:
        """End it. It is gone when this returns, unless it has to stay."""
        _all.discard(self)
        if self._let_go() and self._thread.ident is not None:
            self._thread.join()


_all: set[DeafThread] = set()
_paused: list[DeafThread] = []
_lock = threading.RLock()  # one fork at a time


def is_forking(frame: FrameType | None = None) -> bool:
    """Whether the process forks now, or this frame is a callback of a fork: what is raised meanwhile is lost."""
    return bool(_paused) or (frame is not None and frame.f_code in _CALLBACKS)


def _pause() -> None:
    _lock.acquire()
    _paused.extend(_all)
    for each in _paused:
        each.stop()


def _go_on() -> None:
    for each in _paused:
        with contextlib.suppress(RuntimeError):
            each.start()
    _end_of_fork()


def _end_of_fork() -> None:
    _paused.clear()
    _lock.release()


_CALLBACKS = (_pause.__code__, _go_on.__code__, _end_of_fork.__code__)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause, after_in_parent=_go_on, after_in_child=_end_of_fork)
