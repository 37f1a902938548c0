"""`run_process` and `open_process`: child programs under the same signals as tasks."""

from __future__ import annotations

import math
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
    """Run a program to its end, in a process group of its own, and give its status and output.

    An Interrupt to the task is a SIGINT to the group, a Terminate and a plain `cancel()` a SIGTERM, a Kill a SIGKILL;
    `signals` changes that, class by class: `{Drain: SIGHUP}` adds one, `None` sends nothing. The signal is thrown when
    the program has ended, and `partial_result(signal)` has the output up to then; a Kill is thrown at once. Where no
    ladder is at work that ends with a Kill, a program that has not ended `grace` seconds after the first of these
    gets a SIGKILL. What it leaves behind in its group is ended with it, and when it was stopped, also what has left
    the group.

    `input` is what it reads; without, it reads nothing. Of each output the last `max_output` bytes are kept. `stdout`
    and `stderr` may also be what `subprocess.run` takes: `None` (not captured), `DEVNULL`, a file, for `stderr` also
    `STDOUT`.

    Raises: `ProcessError` when `check` is set and the status is not 0; `FileNotFoundError`, `PermissionError` or
    another `OSError` that names the program when it cannot be started; `TypeError` or `ValueError` for a wrong
    argument.
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
    """A program to talk to while it runs, in an `async with` block; options as for `run_process`.

    At the end of the block its input is closed, and its end is waited for. When the block is left by a signal, the
    program gets the OS signal that stands for it; by any other exception, that for a Terminate; its end is waited for,
    `partial_result` of the exception has what it left, and the exception goes on its way. `max_output` is also how far
    a program may write ahead of who reads it.

    Raises: as `run_process`, but for `ProcessError`: use `(await program.wait()).check()`.
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
        if program.returncode is None:  # killed, or a coroutine that is closed: nobody will wait any more
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
            f"{call} takes the program and its arguments as a list, such as ['ls', '-l'], got {cmd!r}; "
            f"for a line of shell: ['sh', '-c', line]"
        )
    args = tuple(os.fspath(part) if isinstance(part, os.PathLike) else part for part in cmd)
    for part in args:
        if not isinstance(part, str):
            raise TypeError(f"{call}: the arguments of {args[0]!r} must be text or paths, got {part!r}")
    for cls, signum in (signals or {}).items():
        level_of(cls, f"{call} signals")
        if cls is Signal:
            raise TypeError(f"{call} signals: name a class with a level, such as Drain, got {cls!r}")
        if signum is not None and not isinstance(signum, int):
            raise TypeError(f"{call} signals[{cls.__name__}] is {signum!r}; give an OS signal or None")
    if not 0 <= grace < math.inf:
        raise ValueError(f"{call}: grace is {grace!r}; give a number of seconds, 0 or more, and finite")
    if max_output < 1:
        raise ValueError(f"{call}: max_output is {max_output!r}; give a number of bytes, 1 or more")
    return args


for _thing in (run_process, open_process):
    _thing.__module__ = "sigtask"
