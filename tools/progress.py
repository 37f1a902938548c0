"""How far a check has come: which steps run, how many are left, and an estimate of the time."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

EVERY = 30.0
"""Seconds from one line to the next where nobody watches; a terminal has one line, which is written anew."""


@dataclass
class Work:
    """One thing to do."""

    name: str
    expected: float
    """Seconds, by experience; only their ratios count once something has ended."""
    began: float | None = None
    took: float | None = None


@dataclass
class Progress:
    """The state of all of it, and the line that says so."""

    works: list[Work]
    at_a_time: int
    out: TextIO = field(default_factory=lambda: sys.stdout)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _shown: int = 0

    def begin(self, index: int) -> None:
        """That one runs now."""
        with self._lock:
            self.works[index].began = time.monotonic()

    def end(self, index: int, words: str) -> None:
        """It has ended; what there is to say of it stands above the line."""
        with self._lock:
            work = self.works[index]
            work.took = time.monotonic() - (work.began or 0.0)
            self._clear()
            print(words, file=self.out, flush=True)
            if self.out.isatty() and any(work.took is None for work in self.works):
                self.show()

    def seconds_left(self, now: float) -> float:
        """As the others went, in proportion to what was expected of them."""
        ended = [work for work in self.works if work.took is not None]
        pace = sum(w.took or 0.0 for w in ended) / sum(w.expected for w in ended) if ended else 1.0
        left = [self._left(work, pace, now) for work in self.works if work.took is None]
        return max(sum(left) / self.at_a_time, *left, 0.0)

    @staticmethod
    def _left(work: Work, pace: float, now: float) -> float:
        gone = 0.0 if work.began is None else now - work.began
        return max(work.expected * pace - gone, 0.0)

    def line(self, now: float) -> str:
        """Such as `12 of 34 done, about 7 min left; running: edges on 3.11.7`."""
        done = sum(work.took is not None for work in self.works)
        running = [work.name for work in self.works if work.began is not None and work.took is None]
        left = self.seconds_left(now)
        about = f"{left / 60:.0f} min" if left >= 90 else f"{max(10, round(left, -1)):.0f} s"
        return f"{done} of {len(self.works)} done, about {about} left; running: {', '.join(running) or 'nothing'}"

    def show(self) -> None:
        """Write the line; on a terminal in the place of the one before."""
        with self._lock:
            line = self.line(time.monotonic())
            if not self.out.isatty():
                print(line, file=self.out, flush=True)
                return
            self._clear()
            line = line[: shutil.get_terminal_size().columns - 1]
            print(line, end="", file=self.out, flush=True)
            self._shown = len(line)

    def _clear(self) -> None:
        if self._shown:
            print("\r" + " " * self._shown, end="\r", file=self.out)
            self._shown = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the line up to date meanwhile."""
        over = threading.Event()
        every = 1.0 if self.out.isatty() else EVERY

        def keep() -> None:
            while not over.wait(every):
                self.show()

        keeper = threading.Thread(target=keep, daemon=True)
        self.show()
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            with self._lock:
                self._clear()
