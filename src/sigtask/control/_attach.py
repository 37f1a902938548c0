"""A control socket for a program that was started without one, by PEP 768 (Python 3.14): `sigtask attach`.

`sys.remote_exec` has the program's main thread run a script at its next line of Python. A loop that waits for a
connection comes to none, so it is woken by what does no harm: SIGWINCH, which by default is ignored. It makes Python
look, where it has a handler; where none is set, the script runs when the loop turns for its own reasons.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from ._client import Connection, Unreachable, owner_of

PATIENCE = 10.0
"""Seconds for the program to come to its next line of Python."""
_SCRIPT = """
def _open():
    import sys
    sys.path.append({folder!r})
    try:
        import asyncio
        from sigtask.control import start
        loop = asyncio._get_running_loop()
        if loop is None:
            raise RuntimeError("no loop runs in its main thread")
        start(loop)
    except BaseException as error:
        said = f"{{type(error).__name__}}: {{error}}"
    else:
        said = "ok"
    finally:
        sys.path.remove({folder!r})
    with open({answer!r}, "w") as file:
        file.write(said)
_open()
del _open
"""


def attach_to(pid: int) -> str:
    """Open the socket there; gives a sentence that says so. Raises: `Unreachable`, which says what it takes."""
    try:
        with Connection(pid):
            return f"process {pid} has a control socket already"
    except Unreachable:
        if owner_of(pid) is None and not Path(f"/proc/{pid}").exists() and os.path.isdir("/proc/self"):
            raise
    if not hasattr(sys, "remote_exec"):
        running = ".".join(map(str, sys.version_info[:2]))
        raise Unreachable(f"attaching needs Python 3.14 or later here and there, and this is {running}")
    with tempfile.TemporaryDirectory(prefix="sigtask-attach-") as folder:
        return _attach(pid, Path(folder))


def _attach(pid: int, folder: Path) -> str:
    script, answer = folder / "script.py", folder / "answer"
    ours = str(Path(__file__).resolve().parents[2])
    script.write_text(_SCRIPT.format(folder=ours, answer=str(answer)), "utf-8")
    answer.touch()
    owner = owner_of(pid)
    if (
        owner is not None and owner != os.geteuid()
    ):  # root, for another user's process, which is to read and write there
        for path in (folder, script, answer):
            os.chown(path, owner, -1)
    try:
        sys.remote_exec(pid, str(script))  # type: ignore[attr-defined,unused-ignore]  # Python 3.14
    except (PermissionError, ProcessLookupError, OSError, RuntimeError) as error:
        raise Unreachable(_what_it_takes(pid, error)) from None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if said := answer.read_text("utf-8"):
            if said == "ok":
                return f"process {pid} has a control socket now"
            raise Unreachable(f"process {pid} could not open a control socket: {said[:500]}")
        time.sleep(0.05)
    raise Unreachable(
        f"process {pid} has not come to a line of Python in {PATIENCE:g} s: its loop sleeps, or is blocked in C code. "
        "The request stays: try `sigtask ps` again when the program has done something"
    )


def _what_it_takes(pid: int, error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return (
            f"process {pid} may not be debugged by this one: be root, have CAP_SYS_PTRACE, or as the same user "
            "set /proc/sys/kernel/yama/ptrace_scope to 0"
        )
    version = ".".join(map(str, sys.version_info[:2]))
    return (
        f"process {pid} cannot be attached to; it must be a Python {version}, as this is, not built without it: {error}"
    )
