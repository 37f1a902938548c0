"""SIGINT and SIGTERM for one program: handlers that merge repeats and run even while the loop is blocked (R29, R30).

They are set with `signal.signal`, not `loop.add_signal_handler`: a Python handler also runs while a callback blocks the
loop, and then the watchdog must know.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, NoReturn

from .._core.stock import running_loop
from .deaf import DeafThread, is_forking, start_deaf
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
_set_wakeup_fd = signal.set_wakeup_fd
_HANDLED, _PAUSE = b"\0", b"\xff"  # all others are the numbers of signals


class OsSignals:
    """Calls `on_signal(signum, frame, fresh)` for each of these OS signals; `fresh` is false for a merged repeat.

    Where the program has put a handler of its own in the place of ours, that is called by Python as ever, and
    `on_foreign(signum, fresh)` in another thread. When the main thread does not come to its handler,
    `on_overdue(signum, fresh)` is called for each signal, in another thread. What is ignored stays ignored.

    A context manager; on the way out the handlers that were there before are back: see `stay_on_guard`. Outside the
    main thread, where Python takes no handlers, it does nothing.
    """

    def __init__(
        self,
        signums: Iterable[int],
        on_signal: Callable[[int, FrameType | None, bool], None],
        on_overdue: Callable[[int, bool], None],
        on_foreign: Callable[[int, bool], None] = lambda signum, fresh: None,
    ) -> None:
        self._signums = tuple(signums)
        self._on_signal = on_signal
        self._on_overdue = on_overdue
        self._on_foreign = on_foreign
        self.before: dict[int, Any] = {}
        """The handlers that were there before, also where these are left in place."""
        self._last = self._earlier = -MERGE
        self._bytes: _Bytes | None = None
        self._guard = False
        self._to_put_back: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> OsSignals:
        if threading.current_thread() is threading.main_thread():
            for earlier in tuple(_on_guard):
                self._earlier = max(self._earlier, earlier._last)
                earlier.leave()
            self.before = {signum: seen_through(signum, _get_handler(signum)) for signum in self._signums}
            for signum in self._signums:  # first of all: a subinterpreter refuses, and no thread may be left there
                if self.before[signum] != signal.SIG_IGN:
                    set_handler(signum, self._handle)
            if hasattr(signal, "pthread_kill"):
                # Where there is no thread, or no descriptor, handlers are called as in plain Python.
                with contextlib.suppress(RuntimeError, OSError):
                    self._bytes = _Bytes(self)
            _entered.add(self)
            self.listen()
        return self

    def listen(self) -> None:
        """Check that the main thread runs its handlers. Call it again when a loop has taken the wake-up descriptor."""
        if self._bytes is not None and threading.current_thread() is threading.main_thread():
            self._bytes.take()

    def listen_with(self, loop: Any) -> None:
        """Call `listen()` whenever this loop has taken the interpreter's bytes for itself, or given them up."""
        for name in ("add_signal_handler", "remove_signal_handler"):
            setattr(loop, name, self._then_listen(getattr(loop, name)))

    def _then_listen(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any) -> Any:
            try:
                return change(*args)
            finally:
                self.listen()

        return changed

    def lend(self, fd: int) -> int:
        """What `signal.set_wakeup_fd(fd)` does for a hosted program."""
        return -1 if self._bytes is None else self._bytes.lend(fd)

    def hear(self, signum: int, *, ignored: bool) -> None:
        """The program has said what is to become of that signal: ignored it is for real, else it comes to us."""
        set_handler(signum, signal.SIG_IGN if ignored else self._handle)

    def stay_on_guard(self) -> None:
        """A signal has come: after the `with` block, a repeat within `MERGE` still counts as one with it.

        A further one does what it does without us, except that a default action is not taken at once: `SystemExit`
        is raised in the main thread, so that what stands there in `finally` and `atexit` is done, and only the next
        ends the process.
        """
        self._guard = True

    def __exit__(self, *exc: object) -> None:
        if self._bytes is not None:
            self._bytes.end()
            self._bytes = None
        _entered.discard(self)
        if self._guard and self.before:
            self._on_signal = self._afterwards
            _on_guard.add(self)
            self._leave_what_python_handles()
        else:
            self.leave()

    def leave(self) -> None:
        """Restore the previous handlers, where ours is still in place."""
        _on_guard.discard(self)
        if self._timer is not None:  # its signals must not reach the next handlers
            self._timer.cancel()
            self._timer.join()
        put_back({signum: handler for signum, handler in self.before.items() if self.is_ours(signum)})
        self.before = {}

    def _leave_what_python_handles(self) -> None:
        """With the repeats' time over, our handler stays where without it the process would just be gone."""
        left = self._last + MERGE - time.monotonic()
        theirs = {n: h for n, h in self.before.items() if h not in (signal.SIG_DFL, None) and self.is_ours(n)}
        if not theirs or left <= 0 or not hasattr(signal, "pthread_kill"):
            put_back(theirs)
            return
        main = threading.get_ident()

        def poke() -> None:
            self._to_put_back = theirs
            signal.pthread_kill(main, min(theirs))  # only the main thread may set handlers

        timer = threading.Timer(left, poke)
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # the interpreter is at its end, and starts no thread (3.12)
            start_deaf(timer)
            self._timer = timer

    def _afterwards(self, signum: int, frame: FrameType | None, fresh: bool) -> None:
        if not fresh:
            return
        before = self.before[signum]
        self.leave()
        if callable(before):
            before(signum, frame)
        elif before == signal.SIG_DFL:
            raise SystemExit(128 + signum)

    def is_ours(self, signum: int) -> bool:
        """Whether our handler is in place for that signal."""
        return _get_handler(signum) == self._handle

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._bytes is not None:
            if is_forking(frame) and running_loop() is None:  # it would raise, and that would be lost
                self._bytes.put_off()
                return
            self._bytes.handled()
        if signum == min(self._to_put_back, default=None):  # sent by ourselves: no signal came
            put_back({n: handler for n, handler in self._to_put_back.items() if self.is_ours(n)})
            self._to_put_back = {}
        elif time.monotonic() - self._earlier >= MERGE:  # otherwise a repeat of the one that ended the previous run
            self._on_signal(signum, frame, self._counts())

    def _counts(self) -> bool:
        """Whether this signal counts: a merged repeat does not. Pressing Ctrl-C three times a second still moves on."""
        now = time.monotonic()
        counts = now - self._last >= MERGE
        if counts:
            self._last = now
        return counts

    # -- in the thread that reads the bytes -----------------------------------------------------------------------

    def overdue(self, signum: int) -> None:
        """The main thread has not run our handler."""
        self._on_overdue(signum, self._counts())

    def came(self, signum: int) -> None:
        """A signal came that the program's own handler has taken."""
        if signum in self.before:
            self._on_foreign(signum, self._counts())


class _Bytes:
    """A thread that reads the byte which the interpreter writes for each OS signal at once, wherever the signal came.

    Python runs a handler in the main thread, between two lines of Python. A signal that comes just before that thread
    goes to sleep, or that the system gives to another thread, does not end the sleep; and C code that does not look
    keeps the handler waiting until it returns. So, where no `handled()` follows the byte, the main thread is
    interrupted again, and in the end its handler counts as overdue. C code that holds the GIL stops this thread too.
    """

    def __init__(self, owner: OsSignals) -> None:
        self._owner = owner
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._main = threading.get_ident()
        self._others = self._others_own = -1
        """What the interpreter would write to without us, a loop's own, which is to have its bytes: a copy, and it."""
        self._sending = threading.Lock()
        self._due = 0.0  # when the main thread is interrupted again
        self._late = self._pokes = self._own = 0  # the signal not handled yet; how often we have sent it; its bytes
        self._thread = DeafThread(self._run, "sigtask-signals", self._let_go)
        try:
            self._thread.start()
        except RuntimeError:
            self._read.close()
            self._write.close()
            raise

    def _let_go(self) -> bool:
        """What is written while the thread pauses it will read when it goes on."""
        if self._late and is_forking():  # a program may fork again and again: the thread would never come to `_press`
            return False
        with contextlib.suppress(OSError):  # it is closed
            try:
                self._write.send(_PAUSE)
            except BlockingIOError:  # so many signals that no more can be written
                return False
        return True

    def take(self) -> None:
        """Have the interpreter's bytes."""
        before = _set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        if before not in (-1, self._write.fileno()):
            self.lend(before)

    def lend(self, fd: int) -> int:
        """Let another have them, too, as `signal.set_wakeup_fd(fd)` does; gives the one that had them before."""
        others, alone = -1, self._write.fileno()
        try:
            others = -1 if fd == -1 else os.dup(fd)  # a descriptor that no other code can close
        except OSError:  # none is left: it has the bytes alone, and handlers are called as in plain Python
            alone = fd
        _set_wakeup_fd(alone, warn_on_full_buffer=False)
        with self._sending:
            before, self._others_own = self._others_own if self._others_are_there() else -1, fd
            if self._others != -1:
                os.close(self._others)
            self._others = others
        return before

    def handled(self) -> None:
        """Our handler runs: every signal whose byte was written before now has been seen. Safe in a handler."""
        with contextlib.suppress(OSError):
            self._write.send(_HANDLED)

    def put_off(self) -> None:
        """Our handler cannot do its work now: the main thread is to be interrupted again, as often as it takes."""
        self._pokes = 0

    def end(self) -> None:
        """Give the bytes back; the thread is gone when this returns. In a fork it is the parent's."""
        fd = _set_wakeup_fd(-1)
        if fd not in (-1, self._write.fileno()):  # the program's own, by loop.add_signal_handler
            with contextlib.suppress(OSError):  # or closed meanwhile
                _set_wakeup_fd(fd)
        elif fd != -1 and self._others_are_there():
            _set_wakeup_fd(self._others_own)
        self._write.close()
        self._thread.stop()
        self._read.close()
        if self._others != -1:
            os.close(self._others)

    def _others_are_there(self) -> bool:
        """Whether who had the bytes before still has that file open: a loop of uvloop's, closed, has not."""
        with contextlib.suppress(OSError):
            return self._others != -1 and os.path.sameopenfile(self._others_own, self._others)
        return False

    def _run(self) -> None:
        while True:
            waits = self._late and self._pokes < POKES
            self._read.settimeout(max(0.001, self._due - time.monotonic()) if waits else None)
            try:
                byte = self._read.recv(1)
            except TimeoutError:
                self._press()
                continue
            if byte in (b"", _PAUSE):
                return
            self._due = time.monotonic() + POKE
            if byte == _HANDLED:
                self._late = self._pokes = self._own = 0
            else:
                self._came(byte)

    def _came(self, byte: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):
            if self._others != -1:
                os.write(self._others, byte)
        if not self._owner.is_ours(byte[0]):
            self._owner.came(byte[0])
            return
        if self._own:
            self._own -= 1
        else:
            self._late = byte[0]
            if self._pokes == POKES:
                self._owner.overdue(self._late)

    def _press(self) -> None:
        """Nothing has been heard of the handler for a while."""
        if not self._owner.is_ours(self._late):  # the program has set its own handler, which was called
            self._late = self._pokes = 0
            return
        self._pokes += 1
        self._due = time.monotonic() + POKE
        if self._pokes == POKES:
            self._own = 0  # the missing ones will not come: the main thread blocks the signal
            self._owner.overdue(self._late)
        else:
            self._own += 1
            signal.pthread_kill(self._main, self._late)


_entered: set[OsSignals] = set()
_on_guard: set[OsSignals] = set()


def _forked() -> None:
    """In a fork: our handlers, and what reads the bytes, are the parent's."""
    for each in (*_entered, *_on_guard):
        each._guard = False
        each.__exit__()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def put_back(handlers: Mapping[int, Any]) -> None:
    """Restore handlers that `signal.getsignal` has returned. `None` stands for a handler that Python did not set."""
    for signum, handler in handlers.items():
        set_handler(signum, signal.SIG_DFL if handler is None else handler)


def programs_own(signum: int, handler: Any) -> Callable[[int, FrameType | None], object] | None:
    """The handler, if the program has set it itself.

    For SIGINT, `asyncio.run()` sets one in every program, and Python one that raises `KeyboardInterrupt`.
    """
    if not callable(handler) or (signum == signal.SIGINT and handler is signal.default_int_handler):
        return None
    owner = getattr(getattr(handler, "func", None), "__self__", None)
    return None if isinstance(owner, asyncio.Runner) else handler


def name_of(signum: int) -> str:
    """`SIGTERM` for 15."""
    return signal.Signals(signum).name


def die_of(signum: int) -> NoReturn:
    """End this process by that signal's default action, so that its parent sees which signal it was.

    The kernel takes no default action for process 1 of a container: there, raise `SystemExit(128 + signum)`.
    """
    set_handler(signum, signal.SIG_DFL)
    signal.raise_signal(signum)
    raise SystemExit(128 + signum)
