"""Notifications to systemd by the protocol of sd_notify(3): datagrams to the socket in `$NOTIFY_SOCKET`.

Without that variable, nothing happens. All functions may be called in signal handlers and in any thread.
"""

from __future__ import annotations

import os
import threading
from asyncio import AbstractEventLoop

LAST_SECONDS = 4.0
"""What a process may take beyond its ladder: the watchdog's end is a little later, faulthandler's 3 s."""


def notify(state: str) -> bool:
    r"""Tell systemd about the state of this service, as sd_notify(3).

    It never waits. `run()` and `sigtask run` send `STOPPING=1`, with the time it takes, by themselves. Call it from any
    thread or signal handler.

    Args:
        state: One `NAME=value` per line: `READY=1`, `STATUS=42 clients`.

    Returns:
        False when nothing was sent: `$NOTIFY_SOCKET` is not set, or systemd does not read from it.

    Raises:
        ValueError: When a line is not `NAME=value`.

    Example::

        print(notify("READY=1\nSTATUS=up"))  # False

    .. versionadded:: 0.2.0
    """
    for line in state.split("\n"):
        if not line.partition("=")[0].isidentifier() or "=" not in line:
            raise ValueError(f"notify({state!r}): {line!r} is not a state; write it as READY=1 or STATUS=text")
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    import socket  # asyncio has loaded it by the time

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.setblocking(False)
            there.sendto(state.encode(errors="backslashreplace"), "\0" + address[1:] if address[0] == "@" else address)
    except (OSError, AttributeError):  # Windows has no AF_UNIX
        return False
    return True


def stopping(left: float) -> None:
    """Tell systemd that the ladder has begun or has been extended, and when the process exits at the latest."""
    if _is_the_service():
        seconds = left + LAST_SECONDS
        notify(f"STOPPING=1\nSTATUS=stopping, {left:.0f} s at most\nEXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")


def keep_alive(loop: AbstractEventLoop) -> None:
    """Send systemd its watchdog messages while this loop turns in the main thread, if `WatchdogSec=` asks for it."""
    interval = _watchdog_interval()
    if interval is None:
        return

    def turn() -> None:
        if threading.current_thread() is threading.main_thread():
            notify("WATCHDOG=1")
            loop.call_later(interval, turn)

    loop.call_soon(turn)


def _watchdog_interval() -> float | None:
    """Half of systemd's watchdog time, in seconds; `None` without one."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    is_for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 2e6 if is_for_us else None


def _is_the_service() -> bool:
    """Whether systemd has started this process itself, and not its parent; systemd 248 and later tell."""
    return os.environ.get("SYSTEMD_EXEC_PID", str(os.getpid())) == str(os.getpid())
