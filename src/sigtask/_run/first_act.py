"""The first thing the command does: as PID 1, handle SIGTERM and SIGINT while the rest is still being imported (R29).

The kernel drops a signal to PID 1 that has no handler, so an early one would be lost. At this point nothing of the
program has begun: the process exits at once, as any other process would by the default action. The `Supervisor` later
replaces these handlers. This module imports as little as possible.
"""

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_before: "dict[int, Any]" = {}


def listen() -> None:
    """Set the handlers, if this is PID 1. A signal that is ignored stays ignored."""
    if os.getpid() != 1:
        return
    for signum in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
            _before[signum] = signal.signal(signum, _end)


def seen_through(signum: int, handler: "Any") -> "Any":
    """The handler itself; for one that was set here, the one it has replaced."""
    return _before[signum] if handler is _end else handler


def _end(signum: int, frame: "FrameType | None") -> None:
    os._exit(128 + signum)
