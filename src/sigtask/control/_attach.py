"""Open a control socket in a program that was started without one, by PEP 768 (Python 3.14): `sigtask attach`.

`sys.remote_exec` makes the program's main thread run a script at its next line of Python. An idle loop, which waits for
I/O, runs none. On Linux, stopping and continuing the process interrupts its `epoll_wait(2)`, and Python then runs the
script: this is what `wake` does.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from ._client import Connection, Unreachable, owner_of
from ._text import shown

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
    import os, shutil
    if os.path.exists({late!r}):
        shutil.rmtree({files!r}, ignore_errors=True)
    else:
        with open({answer!r}, "w") as file:
            file.write(said)
_open()
del _open
"""


def attach_to(pid: int, *, wake: bool = False) -> str:
    """Open the socket in that process; returns a sentence that says so. Raises: `Unreachable`, with the next move."""
    try:
        with Connection(pid):
            return f"process {pid} has a control socket already"
    except Unreachable:
        if owner_of(pid) is None and not Path(f"/proc/{pid}").exists() and os.path.isdir("/proc/self"):
            raise
    if not hasattr(sys, "remote_exec"):
        running = ".".join(map(str, sys.version_info[:2]))
        raise Unreachable(f"attaching needs Python 3.14 or later here and there, and this is {running}")
    folder = Path(tempfile.mkdtemp(prefix="sigtask-attach-"))
    try:
        said = _attach(pid, folder, wake=wake)
    except BaseException:
        shutil.rmtree(folder)
        raise
    if said is None:
        (folder / "late").touch()  # the script stays, and removes itself when it has run
        hint = "" if wake else f", or wake it with `sigtask attach --wake {pid}`"
        raise Unreachable(
            f"process {pid} has not come to a line of Python in {PATIENCE:g} s: its loop sleeps, or is blocked in C "
            f"code; try `sigtask ps {pid}` when it has done something{hint}"
        )
    shutil.rmtree(folder)
    if said != "ok":
        raise Unreachable(f"process {pid} could not open a control socket: {shown(said[:500])}")
    return f"process {pid} has a control socket now"


def _attach(pid: int, folder: Path, *, wake: bool) -> str | None:
    """What the script has answered; `None` if it has not run yet."""
    script, answer = folder / "script.py", folder / "answer"
    ours = str(Path(__file__).resolve().parents[2])
    files = {"answer": str(answer), "late": str(folder / "late"), "files": str(folder)}
    script.write_text(_SCRIPT.format(folder=ours, **files), "utf-8")
    answer.touch()
    owner = owner_of(pid)
    if owner is not None and owner != os.geteuid():  # by root: that process may read the one and write the other
        folder.chmod(0o711)
        script.chmod(0o644)
        os.chown(answer, owner, -1)
    try:
        sys.remote_exec(pid, str(script))  # type: ignore[attr-defined,unused-ignore]  # Python 3.14
    except (OSError, RuntimeError) as error:
        raise Unreachable(_what_it_takes(pid, error)) from None
    if wake:
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if said := answer.read_text("utf-8"):
            return said
        time.sleep(0.05)
    return None


def _what_it_takes(pid: int, error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return (
            f"process {pid} may not be debugged by this one: be root, have CAP_SYS_PTRACE, or as the same user "
            "set /proc/sys/kernel/yama/ptrace_scope to 0"
        )
    version = ".".join(map(str, sys.version_info[:2]))
    return f"process {pid} cannot be attached to: it must be a Python {version}, as this is ({shown(str(error))})"
