"""How long a request may take: a limit of the server, of the client, or of a gateway."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable


class BadDeadline(ValueError):
    """A header that is not a time, or a time in the past."""


class Deadlines:
    """Read the deadline of a request. The earliest counts.

    `budget` is in seconds. `timeout_header` names a header of seconds, `deadline_header` one of Unix time.

    Raises: `ValueError` for a budget that is not above 0; `TypeError` for a header's name that is not text.
    """

    def __init__(self, budget: float | None, timeout_header: str | None, deadline_header: str | None) -> None:
        if budget is not None and not (isinstance(budget, (int, float)) and 0 < budget < math.inf):
            raise ValueError(f"deadline={budget!r}: give the seconds that a request may take, a number above 0")
        for what, name in (("timeout_header", timeout_header), ("deadline_header", deadline_header)):
            if name is not None and not (isinstance(name, str) and name):
                raise TypeError(f"{what}={name!r}: give the name of a header, such as 'x-request-deadline'")
        self._budget = math.inf if budget is None else budget
        self._timeout_header = None if timeout_header is None else timeout_header.lower().encode()
        self._deadline_header = None if deadline_header is None else deadline_header.lower().encode()
        self.any = budget is not None or timeout_header is not None or deadline_header is not None

    def at(self, headers: Iterable[tuple[bytes, bytes]]) -> float | None:
        """The time of the running loop at which this request is over; `None` without a limit.

        Raises: `BadDeadline`, whose text is sent to the client.
        """
        seconds = self._seconds(headers)
        return None if seconds == math.inf else asyncio.get_running_loop().time() + seconds

    def _seconds(self, headers: Iterable[tuple[bytes, bytes]]) -> float:
        seconds = self._budget
        for name, text in headers:
            if name == self._timeout_header:
                seconds = min(seconds, _number(name, text))
            elif name == self._deadline_header:
                seconds = min(seconds, _number(name, text) - time.time())
        if seconds <= 0:
            raise BadDeadline("the deadline of this request is in the past")
        return seconds


def _number(name: bytes, text: bytes) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or b"_" in text:
        raise BadDeadline(f"{name.decode()} is not a number of seconds")
    return number
