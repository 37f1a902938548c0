"""The command's first act: as PID 1, to hear SIGTERM and SIGINT while everything else is still being imported (R29).

The kernel keeps a signal from PID 1 where no handler is set, so one that comes early would be lost for good. Nothing
of the program has begun yet: the process ends at once, as any other would by the default action. The `Supervisor` puts
its own handlers in the place of these. This module imports as little as it can.
"""

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_before: "dict[int, Any]" = {}


def listen() -> None:
    """Set the handlers, where this is PID 1; a signal that is ignored stays so."""
    if os.getpid() != 1:
        return
    for signum in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
            _before[signum] = signal.signal(signum, _end)


def seen_through(signum: int, handler: "Any") -> "Any":
    """That handler; where it is the one set here, what was there before it."""
    return _before[signum] if handler is _end else handler


def _end(signum: int, frame: "FrameType | None") -> None:
    os._exit(128 + signum)
