"""The thread that ends the process when nothing else does (R30).

It works while the loop is blocked, and against non-daemon threads, a stuck executor or a stubborn atexit handler. It
cannot run while C code holds the GIL, or in an interpreter that is finalizing. For these there is the timer of
`faulthandler`, which needs neither; it fires a little later, and with exit status 1.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from .._stop import forced_end as _last_acts
from .children import take_along
from .deaf import DeafThread, is_forking

TICK = 0.1
LAST_LINE = 3.0
"""Seconds after the watchdog's time at which faulthandler's timer ends the process."""
OUR_THREADS = ("watchdog.py", "os_signals.py", "line_view.py")
_CONTROL = os.path.join("sigtask", "control", "_server.py").encode()
LAST_WORDS = 2.0
"""Seconds for the last words, which wait for no reader, and for the report's file: of very many tasks both are long."""
PATIENCE = 0.5
"""Seconds for the stacks: whoever reads our stderr may have stopped reading."""


class Watchdog:
    """A daemon thread that sleeps until `arm()`, then calls `tick()` ten times a second.

    When `tick()` gives an exit status, `last_words()` is called, the program's own output is flushed, all stacks are
    dumped, and the process is gone, with the processes that it has started (see `children`). The stacks go to
    `say_stacks`, where it is given, else to stderr.
    """

    def __init__(
        self,
        tick: Callable[[], int | None],
        last_words: Callable[[], None],
        say_stacks: Callable[[str], object] | None = None,
    ) -> None:
        self._tick = tick
        self._last_words = last_words
        self._say_stacks = say_stacks
        self._faulthandler = _faulthandler()
        # Reentrant, unlike an Event: `arm()` is called in signal handlers, which may interrupt one another.
        self._armed = False
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._thread = DeafThread(self._run, "sigtask-watchdog", self._let_go)
        self._speaker: threading.Thread | None = None
        self._may_speak: SimpleQueue[bool] = SimpleQueue()
        self._has_spoken: SimpleQueue[bool] = SimpleQueue()

    def start(self) -> None:
        """Start the thread; it costs nothing until it is armed."""
        with contextlib.suppress(RuntimeError):  # no thread can be started: the timer has to do
            self._thread.start()

    def arm(self, seconds: float) -> None:
        """Start the countdown: the process exits in so many seconds, plus a little for the last message."""
        self._armed = True
        with contextlib.suppress(ValueError, OSError, AttributeError, RuntimeError):  # no stderr, no thread
            self._faulthandler.dump_traceback_later(seconds + LAST_LINE, exit=True, file=_stderr())
        self._orders.put(True)

    def stop(self) -> None:
        """Cancel everything. The thread has ended when this returns."""
        # Not armed, the timer is somebody else's, a test runner's for example.
        if self._armed and self._faulthandler is not None:
            self._faulthandler.cancel_dump_traceback_later()
        self._thread.stop()
        if self._speaker is not None:
            self._may_speak.put(False)
            self._speaker.join()

    def _let_go(self) -> bool:
        if self._armed and is_forking():  # it counts the seconds
            return False
        self._orders.put(False)
        return True

    def _run(self) -> None:
        if not self._armed and not self._orders.get():
            return
        # Before it is needed: an interpreter that has come to its atexit handlers meanwhile starts no thread (3.12).
        with contextlib.suppress(RuntimeError):
            if self._speaker is None:  # armed just when it paused for a fork, this runs twice
                speaker = threading.Thread(target=self._speak, name="sigtask-last-words", daemon=True)
                speaker.start()
                self._speaker = speaker
        while (status := self._tick()) is None:
            with contextlib.suppress(Empty):
                if not self._orders.get(timeout=TICK):
                    return
        self._end(status)

    def _end(self, status: int) -> None:
        try:
            gc.disable()  # so many new rows would have it look at all the tasks, again and again
            self._may_speak.put(True)
            if self._speaker is None:
                self._speak()  # faulthandler's timer is all that bounds it
            with contextlib.suppress(Empty):
                for seconds in (LAST_WORDS, PATIENCE):
                    self._has_spoken.get(timeout=seconds)
            for act in (*_last_acts.acts, take_along):  # this last: a parent may restart its children
                with contextlib.suppress(Exception):
                    act()
        finally:
            os._exit(status)

    def _speak(self) -> None:
        if not self._may_speak.get():
            return
        for steps in ((self._last_words,), (self._dump, flush)):
            for step in steps:
                with contextlib.suppress(Exception):
                    step()
            self._has_spoken.put(True)

    def _dump(self) -> None:
        # By way of a file, as faulthandler holds the GIL while it writes: on a full pipe it would hold it for ever.
        with _file() as file:
            self._faulthandler.dump_traceback(file=file, all_threads=True)
            file.seek(0)
            stacks = file.read().strip().split(b"\n\n")
        ours = tuple(f'  File "{os.path.join(os.path.dirname(__file__), name)}"'.encode() for name in OUR_THREADS)
        others = [one for one in stacks if not one.partition(b"\n")[2].startswith(ours) and _CONTROL not in one]
        text = b"\n\n".join(map(_without_the_command, others))
        if self._say_stacks is not None:
            self._say_stacks(text.decode(errors="replace"))
        else:
            os.write(_stderr().fileno(), text + b"\n")


def _without_the_command(stack: bytes) -> bytes:
    """A stack, innermost line first, without what has called the program under `sigtask run`."""
    return re.split(rb'\n  File "[^"\n]*sigtask/cli/', stack, maxsplit=1)[0]


def _faulthandler() -> Any:
    """The module, loaded before anything goes wrong; `None` in a subinterpreter, which may not have it."""
    try:
        import faulthandler
    except ImportError:
        return None
    return faulthandler


def _stderr() -> Any:
    """The process's own; where it was closed from the start, its number is by now some file of the program's."""
    return sys.__stderr__ or open(os.devnull, "wb")


def _memory_file() -> Any:
    return open(os.memfd_create("stacks"), "w+b")


if hasattr(os, "memfd_create"):
    _file: Callable[[], Any] = _memory_file
else:
    import tempfile  # beforehand, where it must be

    _file = tempfile.TemporaryFile


def flush() -> None:
    """Flush what the program has written, whatever has become of its streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            stream.flush()


def now() -> float:
    """The watchdog's clock, in seconds."""
    return time.monotonic()
