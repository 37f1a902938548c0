"""SIGINT and SIGTERM for one program: real handlers, with repeats merged, that also run when they are late (R29, R30).

`signal.signal` and not `loop.add_signal_handler`: a Python handler also runs while a callback blocks the loop in a
sleep or a busy loop, and then the watchdog must know.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

from .first_act import seen_through

MERGE = 0.5
"""Seconds within which two signals count as one: a terminal's Ctrl-C and a supervisor's SIGINT arrive together."""
POKE = 0.05
"""Seconds that the main thread has to come to its handler before it is interrupted once more."""
POKES = 10
"""How often it is interrupted before its handler counts as overdue: for as long as repeats are merged."""

set_handler = signal.signal
"""The real `signal.signal`; `sigtask run` puts another in its place for the program it hosts."""
_get_handler = signal.getsignal
_HANDLED = b"\0"


class OsSignals:
    """Calls `on_signal(signum, frame, fresh)` for each of these OS signals; `fresh` is false for a merged repeat.

    When the main thread does not come to that, `on_overdue(signum)` is called for each of them, in another thread.
    A context manager; on the way out the handlers that were there before are back. Outside the main thread, where
    Python takes no handlers, it does nothing.
    """

    def __init__(
        self,
        signums: Iterable[int],
        on_signal: Callable[[int, FrameType | None, bool], None],
        on_overdue: Callable[[int], None],
    ) -> None:
        self._signums = tuple(signums)
        self._on_signal = on_signal
        self._on_overdue = on_overdue
        self._before: dict[int, Any] = {}
        self._last = -MERGE
        self._bytes: _Bytes | None = None

    def __enter__(self) -> OsSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in self._signums:  # first of all: a subinterpreter refuses, and no thread may be left there
                self._before[signum] = seen_through(signum, set_handler(signum, self._handle))
            if hasattr(signal, "pthread_kill"):
                self._bytes = _Bytes(self._on_overdue, self._is_ours)
            _entered.add(self)
            self.listen()
        return self

    def listen(self) -> None:
        """See that the main thread comes to its handlers. To be called again when a loop has begun to do so itself."""
        if self._bytes is not None and threading.current_thread() is threading.main_thread():
            self._bytes.take()

    def __exit__(self, *exc: object) -> None:
        if self._bytes is not None:
            self._bytes.end()
            self._bytes = None
        put_back(self._before)
        self._before.clear()
        _entered.discard(self)

    def _is_ours(self, signum: int) -> bool:
        return _get_handler(signum) == self._handle

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._bytes is not None:
            self._bytes.handled()
        now = time.monotonic()
        fresh = now - self._last >= MERGE
        if fresh:  # a merged one does not count: who presses Ctrl-C three times a second is to get on as well
            self._last = now
        self._on_signal(signum, frame, fresh)


class _Bytes:
    """A thread that reads the byte which the interpreter writes for each OS signal at once, wherever the signal came.

    Python runs a handler in the main thread, between two lines of Python. A signal that comes just before that thread
    goes to sleep, or that the system gives to another thread, does not end the sleep; and C code that does not look
    keeps the handler waiting until it returns. So, where no `handled()` follows the byte, the main thread is
    interrupted again, and in the end its handler counts as overdue. C code that holds the GIL stops this thread too.
    """

    def __init__(self, on_overdue: Callable[[int], None], is_ours: Callable[[int], bool]) -> None:
        self._on_overdue = on_overdue
        self._is_ours = is_ours
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._main = threading.get_ident()
        self._others: socket.socket | None = None
        """What the interpreter would write to without us: a loop's own, which is to have its bytes."""
        self._others_fd = -1
        self._sending = threading.Lock()
        self._late = self._pokes = self._own = 0  # what has not been handled; how often we pressed; those bytes
        self._thread = threading.Thread(target=self._run, name="sigtask-signals", daemon=True)
        self._thread.start()

    def take(self) -> None:
        """Have the interpreter's bytes."""
        before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        if before in (-1, self._write.fileno()):
            return
        try:
            others = socket.socket(fileno=os.dup(before))  # with a number of its own, which nobody else can close
        except OSError:  # no socket: none of a loop we know, and left alone
            signal.set_wakeup_fd(before)
            return
        with self._sending:
            if self._others is not None:
                self._others.close()
            self._others, self._others_fd = others, before

    def handled(self) -> None:
        """Our handler runs: every signal whose byte was written before now has been seen. Safe in a handler."""
        with contextlib.suppress(OSError):
            self._write.send(_HANDLED)

    def end(self) -> None:
        """Give the bytes back; the thread is gone when this returns. In a fork it is the parent's."""
        fd = signal.set_wakeup_fd(-1)
        if fd not in (-1, self._write.fileno()):  # the program's own, by loop.add_signal_handler
            signal.set_wakeup_fd(fd)
        elif self._others is not None and fd != -1:
            with contextlib.suppress(OSError):  # closed in the meantime, or the number is another file's
                if os.path.sameopenfile(self._others_fd, self._others.fileno()):
                    signal.set_wakeup_fd(self._others_fd)
        self._write.close()
        self._thread.join()
        self._read.close()
        if self._others is not None:
            self._others.close()

    def _run(self) -> None:
        while True:
            self._read.settimeout(POKE if self._late and self._pokes < POKES else None)
            try:
                byte = self._read.recv(1)
            except TimeoutError:
                self._press()
                continue
            if not byte:
                return
            if byte == _HANDLED:
                self._late = self._pokes = self._own = 0
            else:
                self._came(byte)

    def _came(self, byte: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):
            if self._others is not None:
                self._others.send(byte, getattr(socket, "MSG_NOSIGNAL", 0))
        if not self._is_ours(byte[0]):
            return
        if self._own:
            self._own -= 1
        else:
            self._late = byte[0]
            if self._pokes == POKES:
                self._on_overdue(self._late)

    def _press(self) -> None:
        """Nothing has been heard of the handler for a while."""
        if not self._is_ours(self._late):  # the program has put its own in its place, and has been told
            self._late = self._pokes = 0
            return
        self._pokes += 1
        if self._pokes == POKES:
            self._own = 0  # those that have not come will not: the main thread blocks the signal
            self._on_overdue(self._late)
        else:
            self._own += 1
            signal.pthread_kill(self._main, self._late)


_entered: set[OsSignals] = set()


def _forked() -> None:
    """In a fork: our handlers, and what reads the bytes, are the parent's."""
    for each in tuple(_entered):
        each.__exit__()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def put_back(handlers: Mapping[int, Any]) -> None:
    """Set what `signal.getsignal` has given for each; `None` stands for a handler that Python did not set."""
    for signum, handler in handlers.items():
        set_handler(signum, signal.SIG_DFL if handler is None else handler)


def name_of(signum: int) -> str:
    """`SIGTERM` for 15."""
    return signal.Signals(signum).name


def die_of(signum: int) -> None:
    """End this process by that signal's default action, so that whoever waits for it sees what ended it."""
    set_handler(signum, signal.SIG_DFL)
    signal.raise_signal(signum)
