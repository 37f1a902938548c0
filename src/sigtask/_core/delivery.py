"""One signal that was sent to one task, and what became of it (R21). `inbox` writes it, everyone may read it."""

from __future__ import annotations

from asyncio import CancelledError
from enum import Enum
from time import monotonic

from ..signals import Addressee, Signal


class Fate(Enum):
    """What became of a signal (R21)."""

    HELD = "held"
    THROWN = "thrown"
    SUPERSEDED = "superseded"
    ABSORBED = "absorbed"
    HANDLED = "handled"
    CONSUMED = "consumed"
    REFUSED = "refused"


_HELD = Fate.HELD  # to look up a member of an Enum is slow


def plain_error(msg: object) -> CancelledError:
    """What asyncio throws for `cancel(msg)`."""
    return CancelledError() if msg is None else CancelledError(msg)


class Delivery:
    """One signal that was sent to one task, and what became of it (R21).

    `signal` is a copy with the task as its target. `fate` is `HELD` from its arrival until something else happens.
    `caught_at` is where (`"file:line"`) the task caught it when it was thrown and the task went on, else `None`;
    `taken_back` says that its request was then taken back, by `catch` or `uncancel()`, as is right; `refused` is how
    many more awaits a Kill had to answer.
    """

    __slots__ = (
        "_copy",
        "caught_at",
        "fate",
        "forced",
        "given",
        "level",
        "refused",
        "sender",
        "sent_at",
        "taken_back",
        "to",
    )

    def __init__(self, given: Signal, to: Addressee | str | None, sender: object = None, forced: bool = False) -> None:
        self.given = given
        self.level = given.level
        self.to = to
        self.sender = sender
        self.sent_at = monotonic()
        self.forced = forced
        self.fate = _HELD
        self.caught_at: str | None = None
        self.taken_back = False
        self.refused = 0
        self._copy: Signal | None = None

    @property
    def signal(self) -> Signal:
        """The signal as it came to the task: to look at, not to raise."""
        if self._copy is None:  # made when somebody looks: few do, of a hundred thousand tasks
            self._copy = self.fresh()
        return self._copy

    def fresh(self) -> Signal:
        """One more copy, to be raised: the raised one comes to hold frames."""
        return self.given.addressed(self.to, self.sender, self.sent_at)

    def __repr__(self) -> str:
        return f"<{self.signal!r} {self.fate.value}>"
