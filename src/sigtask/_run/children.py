"""The child processes of this process, which are ended with it when it is ended by force (R30).

These are its descendants in its session; if this process leads the session, all processes of the session. A process
that has made a session of its own, such as a daemon, is left alone. Multiprocessing's resource tracker ends by itself
when its users have ended, because it has shared memory to clean up.

Without `/proc`, only children that `multiprocessing` has started are known.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterable

from ..report import ChildReport

_PROC = "/proc"
ROUNDS = 50
"""How often it looks again for what was started while it looked."""
SHOWN = 60
"""Characters of a command that are shown."""


def children() -> tuple[ChildReport, ...]:
    """The processes that would be ended with this one now, and their commands."""
    return tuple(ChildReport(pid, _command(pid)) for pid in _pids())


def waiting_for() -> str:
    """The same in one line: `2 child processes: 123 (sleep 60), 124 (python -c ...)`; empty if there are none."""
    found = children()
    return f"{len(found)} child process{'' if len(found) == 1 else 'es'}: {', '.join(map(str, found))}" if found else ""


def take_along() -> None:
    """Kill all of them. They are stopped first, so that none starts another meanwhile.

    This process must exit right after: no other thread of it runs from here on.
    """
    stopped: set[int] = set()
    for _ in range(ROUNDS):
        fresh = set(_pids()) - stopped
        if not fresh:
            break
        _send(fresh, "SIGSTOP")
        stopped |= fresh
    sys.setswitchinterval(1e6)  # a thread that waits for a child might restart it
    _send(stopped, "SIGKILL")


def _send(pids: Iterable[int], name: str) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):  # it is gone, or another user's
            os.kill(pid, getattr(signal, name, signal.SIGTERM))  # on Windows, SIGTERM ends a process at once


def _pids() -> list[int]:
    try:
        parents = _parents()
    except OSError:
        return _of_multiprocessing()
    me = os.getpid()
    ours = set(parents) if os.getsid(0) == me else {me}
    before = 0
    while len(ours) > before:
        before = len(ours)
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return sorted(pid for pid in ours - {me} if "resource_tracker import main" not in _command_line(pid))


def _parents() -> dict[int, int]:
    """The parent of each living process of this session. Raises: `OSError` where there is no `/proc`."""
    found: dict[int, int] = {}
    for name in os.listdir(_PROC):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"{_PROC}/{name}/stat", errors="replace") as file:
                state, parent, _, session = file.read().rpartition(")")[2].split()[:4]
                if int(session) == os.getsid(0) and state not in "ZX":
                    found[int(name)] = int(parent)
    return found


def _of_multiprocessing() -> list[int]:
    multiprocessing = sys.modules.get("multiprocessing")
    return [] if multiprocessing is None else [child.pid for child in multiprocessing.active_children()]


def _command_line(pid: int) -> str:
    try:
        with open(f"{_PROC}/{pid}/cmdline", errors="replace") as file:
            return " ".join(file.read(4096).rstrip("\0").split("\0"))
    except OSError:
        return ""


def _command(pid: int) -> str:
    program, _, arguments = " ".join(_command_line(pid).split()).partition(" ")
    arguments = re.sub(r"-c try: from sigtask\b.*? pass ", "-c ", arguments)  # a worker's way in: see `workers`
    command = f"{os.path.basename(program)} {arguments}".strip()
    return command if len(command) <= SHOWN else f"{command[: SHOWN - 3]}..."
