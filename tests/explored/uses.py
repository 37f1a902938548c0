"""What a library is explored with: an honest use of it, as its documentation has it, and what must hold then."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sigtask import Interrupt, Kill, Terminate

ALL = (Interrupt, Terminate, Kill, CancelledError)
PLAIN = (CancelledError,)


@dataclass(frozen=True)
class Use:
    """One use of a library. `options` go to `explore()`; `missing` says why it cannot be tried here."""

    library: str
    what: str
    operation: Callable[..., Any]
    setup: Callable[[], Any]
    check: Callable[..., Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    missing: str | None = None
