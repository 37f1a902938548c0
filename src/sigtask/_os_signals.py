"""SIGINT and SIGTERM for one program: real handlers, with repeats merged (R29).

`signal.signal` and not `loop.add_signal_handler`: a Python handler also runs while a callback blocks the loop in a
sleep or a busy loop, and then the watchdog must know.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

MERGE = 0.5
"""Seconds within which two signals count as one: a terminal's Ctrl-C and a supervisor's SIGINT arrive together."""

set_handler = signal.signal
"""The real `signal.signal`; `sigtask run` puts another in its place for the program it hosts."""


class OsSignals:
    """Calls `on_signal(signum, frame, fresh)` for each of these OS signals; `fresh` is false for a merged repeat.

    A context manager; on the way out the handlers that were there before are back. Outside the main thread, where
    Python takes no handlers, it does nothing.
    """

    def __init__(self, signums: Iterable[int], on_signal: Callable[[int, FrameType | None, bool], None]) -> None:
        self._signums = tuple(signums)
        self._on_signal = on_signal
        self._before: dict[int, Any] = {}
        self._last = -MERGE
        self._pipe: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> OsSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in self._signums:
                self._before[signum] = set_handler(signum, self._handle)
        return self

    def wake(self, loop: AbstractEventLoop) -> None:
        """See that a signal wakes this loop, also one that comes just before it goes to sleep.

        Python runs a handler between two lines of Python, so that one would lie until something else wakes the loop.
        A byte in a pipe does not get lost; uvloop and the Windows loop have such a pipe of their own.
        """
        if not self._before or not isinstance(loop, asyncio.SelectorEventLoop):
            return
        if threading.current_thread() is not threading.main_thread():
            return  # a loop in another thread is woken by what our handler puts to it
        self._end_pipe()
        self._pipe = read, write = socket.socketpair()
        for end in self._pipe:
            end.setblocking(False)
        loop.add_reader(read, read.recv, 4096)
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)

    def _end_pipe(self) -> None:
        if self._pipe is not None:
            fd = signal.set_wakeup_fd(-1)
            if fd not in (-1, self._pipe[1].fileno()):  # the program's own, by loop.add_signal_handler
                signal.set_wakeup_fd(fd)
            for end in self._pipe:
                end.close()
            self._pipe = None

    def __exit__(self, *exc: object) -> None:
        self._end_pipe()
        for signum, handler in self._before.items():
            set_handler(signum, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        fresh = now - self._last >= MERGE
        if fresh:  # a merged one does not count: who presses Ctrl-C three times a second is to get on as well
            self._last = now
        self._on_signal(signum, frame, fresh)


def name_of(signum: int) -> str:
    """`SIGTERM` for 15."""
    return signal.Signals(signum).name


def die_of(signum: int) -> None:
    """End this process by that signal's default action, so that whoever waits for it sees what ended it."""
    set_handler(signum, signal.SIG_DFL)
    signal.raise_signal(signum)
