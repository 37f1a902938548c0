"""A program of its own: ends the process groups that a sigtask process leaves behind when that is gone (R30).

It reads orders from its standard input, one a line: `+PID MARK` a group is there, `-PID` it is not any more, `bye` all
is well. When the input ends without a `bye`, by whatever death (`os._exit`, SIGKILL, the kernel's memory killer), it
ends every group that is still there, and whatever carries a group's mark in its environment: a grandchild that went
into a session of its own.

It is run by its path, isolated, so that it starts fast: standard library only, and nothing of sigtask.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

ROUNDS = 50
"""How often it looks again for what a dying process has started meanwhile."""


def marked(marks: Iterable[bytes]) -> list[int]:
    """The processes, this one aside, with one of these marks in their environment; none where there is no /proc."""
    wanted = tuple(marks)
    found: list[int] = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with contextlib.suppress(OSError):  # it is gone, or somebody else's
                    if any(mark in _environment(name) for mark in wanted):
                        found.append(int(name))
    return found


def _environment(pid: str) -> bytes:
    fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY)
    try:
        return os.read(fd, 1 << 20)
    finally:
        os.close(fd)


def end_all(groups: dict[int, bytes]) -> None:
    """SIGKILL to these groups, and to what carries their marks, until nothing of it is to be found."""
    for _ in range(ROUNDS):
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        found = marked(groups.values())
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.002)  # for the kernel to end them: there is nothing to wait on, they are not our children


def main() -> None:
    """Take orders until there are no more."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):  # they are for the program, which we are to outlive
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: dict[int, bytes] = {}
    for line in sys.stdin.buffer:
        words = line.split()
        if line.startswith(b"+"):
            groups[int(words[0])] = words[1]
        elif line.startswith(b"-"):
            groups.pop(-int(words[0]), None)
        else:
            os._exit(0)
    end_all(groups)


if __name__ == "__main__":
    main()
