"""What a child program leaves: its status and output, and the errors about it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import Any

from ..report import printable
from ..signals import clipped

SHOWN = 2000
"""How many bytes of the end of stderr an error shows."""


@dataclass(frozen=True, slots=True)
class ProcessResult:
    r"""How a child program ended, and its output. It can be pickled.

    `returncode` is its exit status, `-n` when the OS signal n ended it, and `None` when a Kill came and nobody waited
    for its end. `stdout` and `stderr` are the captured output that was not read before; `stdout_dropped` and
    `stderr_dropped` are how many bytes before that did not fit in `max_output`.

    Example::

        result = await run_process(["sh", "-c", "echo hello; exit 3"], check=False)
        print(result.stdout, result.ending)  # b'hello\n' ended with status 3

    .. versionadded:: 0.1.0
    """

    args: tuple[str, ...]
    pid: int
    returncode: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_dropped: int = 0
    stderr_dropped: int = 0

    def __repr__(self) -> str:
        dropped = f"stdout_dropped={self.stdout_dropped}, stderr_dropped={self.stderr_dropped}"
        return (
            f"ProcessResult(args={self.args!r:.200}, pid={self.pid}, returncode={self.returncode}, "
            f"stdout={_head(self.stdout)}, stderr={_head(self.stderr)}, {dropped})"
        )

    @property
    def ending(self) -> str:
        """The status in words: `ended with status 3`, `was ended by SIGKILL`, `is still running`."""
        return ending(self.returncode)

    def check(self) -> None:
        """Do nothing if the status is 0.

        Raises:
            ProcessError: For any other status.
        """
        if self.returncode != 0:
            raise ProcessError(self)


def _head(data: bytes) -> str:
    """Output as it is; of much output the beginning, and how much there is."""
    return repr(data) if len(data) <= 200 else f"{data[:200]!r}... ({len(data)} bytes)"


def ending(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return "is still running"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal
        return f"was ended by signal {-status}"


class ProcessError(subprocess.CalledProcessError):
    """A child program ended with a status other than 0. `result` is its `ProcessResult`.

    It is a `subprocess.CalledProcessError`, and its text has the end of stderr.

    Example::

        try:
            await run_process(["sh", "-c", "exit 3"])
        except ProcessError as error:
            print(error.result.ending)  # ended with status 3

    .. versionadded:: 0.1.0
    """

    def __init__(self, result: ProcessResult) -> None:
        super().__init__(result.returncode or 0, result.args, result.stdout, result.stderr)
        self.result = result

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.result,)

    def __str__(self) -> str:
        said = printable(self.result.stderr[-SHOWN:].decode(errors="replace").strip(), keep="\n\t")
        told = f"; the end of what it wrote to stderr:\n{said}" if said else ", and wrote nothing to stderr"
        return f"{shown(self.result.args)} {self.result.ending}{told}"


def shown(args: tuple[str, ...]) -> str:
    """A command as an error names it."""
    return repr(clipped(" ".join(args)))


def explained(error: OSError, call: str, args: tuple[str, ...], cwd: Any) -> OSError:
    """The same error, saying what could not be started and what to do next."""
    name = f"{args[0]!r:.200}"
    if cwd is not None and (wrong := _wrong_with(cwd)) is not None:
        text = f"{call}: the directory cwd={os.fspath(cwd)!r:.200} {wrong}"
    elif error.errno == errno.ENOENT and shutil.which(args[0]):
        text = f"{call}: {name} is there, but not the interpreter that its first line names; install that"
    elif error.errno == errno.ENOENT:
        where = "at that path" if os.sep in args[0] else "on PATH"
        text = f"{call}: there is no program {name} {where}; install it, or give the full path of where it is"
    elif error.errno == errno.EACCES and os.path.isdir(args[0]):
        text = f"{call}: {name} is a directory; name the program in it"
    elif error.errno == errno.EACCES:
        text = f"{call}: {name} may not be executed by this user; `chmod +x` it, or run it by its interpreter"
    elif error.errno == errno.ENOEXEC:
        text = f"{call}: {name} is no program: it lacks a first line such as #!/bin/sh; run it by its interpreter"
    elif error.errno == errno.E2BIG:
        text = f"{call}: {name} got arguments that are too long for this system; hand them over as input or in a file"
    else:
        text = f"{call}: {name} could not be started: {error.strerror}"
    return type(error)(error.errno, text)


def _wrong_with(cwd: Any) -> str | None:
    """Why nothing can be started in that directory; `None` if it is not to blame."""
    if not os.path.exists(cwd):
        return "is not there; make it first"
    if not os.path.isdir(cwd):
        return "is a file; name a directory"
    return None if os.access(cwd, os.X_OK) else "may not be entered by this user"


def partial_result(error: BaseException) -> ProcessResult | None:
    r"""The output of a child program, when this signal or cancellation ended the wait for it; `None` without a program.

    `error` is what came out of `run_process` or the end of an `open_process` block, a `TimeoutError` that was made from
    it, or what awaiting a task raises that was ended so by a signal.

    Example::

        try:
            async with asyncio.timeout(0.2):
                await run_process(["sh", "-c", "echo started; sleep 60"])
        except TimeoutError as error:
            print(partial_result(error).stdout)  # b'started\n'

    .. versionadded:: 0.1.0
    """
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        found = at.__dict__.get("process_result")
        if isinstance(found, ProcessResult):
            return found
        at = at.__cause__ or at.__context__
    return None


def note(error: BaseException, result: ProcessResult) -> None:
    """Have `partial_result(error)` give this."""
    error.__dict__["process_result"] = result


for _thing in (ProcessResult, ProcessError, partial_result):
    _thing.__module__ = "sigtask"
