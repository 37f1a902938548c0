"""The seconds of a program's ladder, counted without its loops, which may be blocked (R30)."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..ladder import Ladder, Rung
from .watchdog import now


class LadderClock:
    """Which rung is due, and when the process is to be gone. Nothing is due before `start`.

    `on_deadline(seconds)` is called when it is known in how many seconds that is, and when these become more.
    """

    def __init__(self, ladder: Ladder, on_deadline: Callable[[float], object] = lambda left: None) -> None:
        self.ladder = ladder
        self._on_deadline = on_deadline
        self._zero = math.inf  # when the ladder began, had none of its rungs been cut short
        self._deadline = math.inf  # when the process is to be gone: the seconds of a skipped rung are a reserve
        self._began = 0.0

    def start(self, index: int) -> None:
        """The rung with that index begins the ladder."""
        self._began = now()
        self.moved_to(index)
        self._deadline = self._zero + self.ladder.total
        self._on_deadline(self.left)

    def moved_to(self, index: int) -> None:
        """That rung has begun. A late one buys no time."""
        self._zero = min(self._zero, now() - self.ladder.start(min(index, len(self.ladder.rungs) - 1)))

    def hurry(self) -> int:
        """A person is in a hurry: the next rung is due now, the seconds of this one are gone. Gives its index."""
        index = self.index + 1
        self.moved_to(index)
        self._deadline = min(self._deadline, self._zero + self.ladder.total)
        return index

    def extend(self, granted: float) -> None:
        """So many seconds more for the rung that is due, and in all."""
        self._zero += granted
        self._deadline += granted
        self._on_deadline(self.left)

    @property
    def index(self) -> int:
        """The index of the rung that is due."""
        return self.ladder.index_at(now() - self._zero)

    @property
    def rung(self) -> Rung | None:
        """The rung that is due; `None` past the last."""
        return self.ladder.rungs[self.index] if self.index < len(self.ladder.rungs) else None

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung."""
        return self.ladder.left(now() - self._zero)

    @property
    def left(self) -> float:
        """Seconds until the process is to be gone; below 0 when it should be."""
        return self._deadline - now()

    @property
    def seconds(self) -> float:
        """Seconds since the ladder began."""
        return round(now() - self._began, 3)
