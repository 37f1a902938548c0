"""How long a request may take: a budget of the server's, a client's, or a gateway's absolute time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping


class BadDeadline(ValueError):
    """What a header says is no time, or one that is over."""


class Deadlines:
    """Reads the deadline of a request. The earliest counts.

    `budget` is in seconds. `timeout_header` names a header of seconds, `deadline_header` one of Unix time.

    Raises: `ValueError` for a budget that is not above 0; `TypeError` for a header's name that is no text.
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
        """The running loop's time at which this request is over; `None` where nothing says.

        Raises: `BadDeadline`, whose text is for the client.
        """
        seconds = self._seconds(headers)
        return None if seconds == math.inf else asyncio.get_running_loop().time() + seconds

    def _seconds(self, headers: Iterable[tuple[bytes, bytes]]) -> float:
        named = dict(headers) if self._timeout_header or self._deadline_header else {}
        seconds = self._budget
        if self._timeout_header is not None and (given := _number(named, self._timeout_header)) is not None:
            seconds = min(seconds, given)
        if self._deadline_header is not None and (given := _number(named, self._deadline_header)) is not None:
            seconds = min(seconds, given - time.time())
        if seconds <= 0:
            raise BadDeadline("the deadline of this request is in the past")
        return seconds


def _number(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    text = headers.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or b"_" in text:
        raise BadDeadline(f"{name.decode()} is not a number of seconds")
    return number
