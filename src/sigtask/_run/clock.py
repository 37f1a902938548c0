"""The time of a program's ladder, counted outside its loops, which may be blocked (R30)."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..ladder import Ladder, Rung
from .watchdog import now


class LadderClock:
    """Tells which rung is due, and when the process must exit. Nothing is due before `start`.

    `on_deadline(seconds)` is called when the deadline is known, and when it moves.
    """

    def __init__(self, ladder: Ladder, on_deadline: Callable[[float], object] = lambda left: None) -> None:
        self.ladder = ladder
        self._on_deadline = on_deadline
        self._zero = math.inf  # when the ladder began, had none of its rungs been cut short
        self._deadline = math.inf  # when the process is to be gone: the seconds of a skipped rung are a reserve
        self._began = 0.0

    def start(self, index: int) -> None:
        """Start the ladder at the rung with that index."""
        self._began = now()
        self.moved_to(index)
        self._deadline = self._zero + self.ladder.total
        self._on_deadline(self.left)

    def moved_to(self, index: int) -> None:
        """That rung has begun. A rung that begins late does not move the deadline."""
        self._zero = min(self._zero, now() - self.ladder.start(min(index, len(self.ladder.rungs) - 1)))

    def hurry(self) -> int:
        """Skip the rest of this rung: the next one is due now. Returns its index."""
        index = self.index + 1
        self.moved_to(index)
        self._deadline = min(self._deadline, self._zero + self.ladder.total)
        return index

    def extend(self, granted: float) -> None:
        """Add so many seconds to the rung that is due, and to the deadline."""
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
        """Seconds until the process must exit; below 0 when it is late."""
        return self._deadline - now()

    @property
    def seconds(self) -> float:
        """Seconds since the ladder began."""
        return round(now() - self._began, 3)
