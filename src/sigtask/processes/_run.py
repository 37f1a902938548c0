"""`run_process` and `open_process`: child programs that get the signals of the tasks that wait for them."""

from __future__ import annotations

import os
import subprocess
from asyncio import CancelledError
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from .._core import listening
from .._core.asking import forwarding
from .._core.stock import current
from ..signals import Interrupt, Signal, level_of
from ._errors import check_grace
from ._program import GRACE, MAX_OUTPUT, Program, SignalMap, Stream
from ._result import ProcessResult, note

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


async def run_process(
    cmd: Sequence[str | os.PathLike[str]],
    *,
    input: bytes | None = None,  # noqa: A002 - the name that subprocess.run has for it
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    signals: SignalMap | None = None,
    grace: float = GRACE,
    max_output: int = MAX_OUTPUT,
) -> ProcessResult:
    r"""Run a program to its end, in a process group of its own, and return its status and output. Linux and macOS.

    A signal that would be thrown into the waiting task goes to the group as an OS signal: an Interrupt as SIGINT, a
    Terminate or a plain `cancel()` as SIGTERM, a Kill as SIGKILL; `signals` changes that. The signal is thrown when the
    program has ended and its output is read; `partial_result(signal)` has the output. A Kill is thrown at once. A Drain
    goes to the program only if `signals` maps it.

    What the program leaves running in its group has half a second to end, and is then killed. A process that has left
    the group lives on, unless the program was stopped.

    Args:
        cmd: The program and its arguments, as a list. For a shell command: `["sh", "-c", line]`.
        input: Bytes for its standard input. Default: an empty input.
        stdout: `subprocess.PIPE` captures it. `DEVNULL`, a file, a descriptor, or `None` for our own work as in
            `subprocess.run`.
        stderr: The same; also `STDOUT`.
        cwd: The working directory.
        env: The environment.
        check: Raise `ProcessError` for any status but 0.
        signals: Which OS signal stands for which signal class and its subclasses, such as `{Drain: signal.SIGHUP}`. It
            adds to `{Interrupt: SIGINT, Terminate: SIGTERM}`; `None` sends nothing.
        grace: Seconds from the first OS signal to a SIGKILL, when no ladder is at work that ends with a Kill.
        max_output: How many bytes of each output are kept: the last ones.

    Returns:
        A `ProcessResult`.

    Raises:
        ProcessError: With `check`, when the status is not 0.
        OSError: When the program cannot be started, such as `FileNotFoundError`. The text says what to do.
        TypeError: For a wrong argument.
        ValueError: For a wrong argument.
        NotImplementedError: On Windows.

    Example::

        result = await run_process(["echo", "hello"])
        print(result.stdout)  # b'hello\n'

    .. versionadded:: 0.1.0
    """
    args = _checked(cmd, "run_process()", signals, grace, max_output)
    if input is not None and not isinstance(input, bytes | bytearray | memoryview):
        raise TypeError(f"run_process(): input is {type(input).__name__}; it must be bytes, for example text.encode()")
    pipes = (DEVNULL if input is None else PIPE, stdout, stderr)
    program = Program(
        "run_process()", args, pipes, cwd=cwd, env=env, signals=signals, grace=grace, max_output=max_output
    )
    if program.stdin is not None and input is not None:
        program.stdin.start(bytes(input), ends=True)
    with forwarding(_listener(program), program):
        result = await _waited(program)
    if check:
        result.check()
    return result


@asynccontextmanager
async def open_process(
    cmd: Sequence[str | os.PathLike[str]],
    *,
    stdin: Stream = PIPE,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    signals: SignalMap | None = None,
    grace: float = GRACE,
    max_output: int = MAX_OUTPUT,
) -> AsyncIterator[Program]:
    r"""An async context manager: start a program, and talk to it while it runs. Linux and macOS.

    Options are those of `run_process`, with `stdin`, and without `input` and `check`. At the end of the block the
    program's input is closed, and its end is waited for. If a signal leaves the block, the program gets the OS signal
    that stands for it; for any other exception, it is terminated. The exception goes on when the program has ended; its
    `partial_result` has the output.

    A program that is `max_output` bytes ahead of its reader waits. If cancelled, see above: a plain `cancel()`
    terminates the program.

    Args:
        cmd: As for `run_process`.
        stdin: `subprocess.PIPE`, `DEVNULL`, a file, a descriptor, or `None` for our own.
        stdout: As for `run_process`.
        stderr: As for `run_process`.
        cwd: As for `run_process`.
        env: As for `run_process`.
        signals: As for `run_process`.
        grace: As for `run_process`.
        max_output: As for `run_process`.

    Raises:
        OSError: As `run_process`.
        TypeError: As `run_process`.
        ValueError: As `run_process`.
        NotImplementedError: On Windows.

    Example::

        async with open_process(["cat"]) as program:
            await program.stdin.write(b"hello\n")
            program.stdin.close()
            async for line in program.stdout:
                print(line)  # b'hello\n'

    .. versionadded:: 0.1.0
    """
    args = _checked(cmd, "open_process()", signals, grace, max_output)
    pipes = (stdin, stdout, stderr)
    program = Program(
        "open_process()", args, pipes, cwd=cwd, env=env, signals=signals, grace=grace, max_output=max_output
    )
    with forwarding(_listener(program), program):
        try:
            yield program
            if program.stdin is not None:
                program.stdin.close()
        except BaseException as error:
            await _stopped(program, error)
            note(error, program.result)
            raise
        await _waited(program)


async def _waited(program: Program) -> ProcessResult:
    try:
        return await program.wait()
    except CancelledError as error:
        note(error, program.result)
        raise
    finally:
        if program.returncode is None:  # killed, or the coroutine was closed: nobody will wait for it
            program.kill()


async def _stopped(program: Program, error: BaseException) -> None:
    try:
        await program.stop(error)
    except CancelledError as stronger:
        note(stronger, program.result)
        raise


def _listener(program: Program) -> object:
    """The running task; a program that is to be told of a Drain can hear it (R26)."""
    if any(signum is not None and cls.level < Interrupt.level for cls, signum in program._signals.items()):
        listening.note("requested")
    return current()


def _checked(cmd: Any, call: str, signals: SignalMap | None, grace: float, max_output: int) -> tuple[str, ...]:
    if isinstance(cmd, str | bytes | os.PathLike) or not isinstance(cmd, Sequence) or not cmd:
        raise TypeError(
            f"{call} takes the program and its arguments as a list, such as ['ls', '-l'], got {cmd!r:.200}; "
            f"for a line of shell: ['sh', '-c', line]"
        )
    args = tuple(os.fspath(part) if isinstance(part, os.PathLike) else part for part in cmd)
    for part in args:
        if not isinstance(part, str):
            raise TypeError(f"{call}: the arguments of {args[0]!r:.200} must be text or paths, got {part!r:.200}")
    if signals is not None and not isinstance(signals, Mapping):
        raise TypeError(f"{call}: signals is {signals!r:.200}; give a mapping, such as {{Drain: signal.SIGHUP}}")
    for cls, signum in (signals or {}).items():
        level_of(cls, f"{call} signals")
        if cls is Signal:
            raise TypeError(f"{call} signals: name a class with a level, such as Drain, got {cls!r}")
        if signum is not None and not isinstance(signum, int):
            raise TypeError(f"{call} signals[{cls.__name__}] is {signum!r:.200}; give an OS signal or None")
    check_grace(grace, call)
    if not isinstance(max_output, int) or max_output < 1:
        raise ValueError(f"{call}: max_output is {max_output!r:.200}; give a number of bytes, 1 or more")
    return args


for _thing in (run_process, open_process):
    _thing.__module__ = "sigtask"
