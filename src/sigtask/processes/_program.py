"""A child program in a process group of its own, which signals reach as OS signals.

The end of a program is a small state machine, driven by timers and pidfds and not by a task, so that no cancellation
can tear it:

    running ──leader ends──► looking ──group empty and pipes at their end──► over
                               │  after LINGER: SIGKILL to what is left in the group
                               └─ stopped: what is left has the grace of the rung, as the leader had
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Mapping
from typing import IO, Any

from ..signals import KILL_LEVEL, Interrupt, Signal, Terminate
from ._children import children_of, when_gone
from ._groups import Group, marked_environment
from ._output import Input, Output
from ._relay import Relay, is_kill, ladder_will_kill
from ._result import ProcessResult, explained

LINGER = 0.5
"""Seconds that what a program leaves behind in its group has to end by itself: a `tee` that still writes."""
POLL = 0.02
"""Seconds between two looks at whether a group is empty, of which the kernel does not tell."""
GRACE = 5.0
"""The default seconds between a stop signal and SIGKILL, where no ladder gives them."""
MAX_OUTPUT = 16 << 20
"""The default bytes of each output that are kept."""

SignalMap = Mapping[type[Signal], int | None]
DEFAULT_MAP: SignalMap = {Interrupt: signal.SIGINT, Terminate: signal.SIGTERM}
Stream = int | IO[Any] | None


class Program:
    r"""A running child program, as `open_process` gives it.

    `stdin`, `stdout` and `stderr` are `None` unless they are pipes. Output that nobody has read is kept for the result,
    up to `max_output` bytes.

    Example::

        async with open_process(["sort"]) as program:
            await program.stdin.write(b"b\na\n")
            program.stdin.close()
            result = await program.wait()
        print(result.stdout)  # b'a\nb\n'

    .. versionadded:: 0.1.0
    """

    stdin: Input | None = None
    stdout: Output | None = None
    stderr: Output | None = None

    def __init__(
        self,
        call: str,
        args: tuple[str, ...],
        pipes: tuple[Stream, Stream, Stream],
        *,
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str] | None,
        signals: SignalMap | None,
        grace: float,
        max_output: int,
    ) -> None:
        self.args = args
        self._loop: AbstractEventLoop = asyncio.get_running_loop()
        self._signals = DEFAULT_MAP if signals is None else {**DEFAULT_MAP, **signals}
        self._grace = grace
        self._waits: list[Relay[ProcessResult]] = []
        self._grace_timer: TimerHandle | None = None
        self._look_timer: TimerHandle | None = None
        self._gone_at: float | None = None
        self._stopped = False
        self._over = False
        self.killed = False
        """Whether it got a SIGKILL from here."""
        self._children = children_of(self._loop)
        self.popen, self._group = _launch(call, args, pipes, cwd, env)
        self._children.add(self)
        when_gone(self.popen, self._loop, self._leader_ended)
        if self.popen.stdin is not None:
            self.stdin = Input(self.popen.stdin, self._loop)
        if self.popen.stdout is not None:
            self.stdout = Output(self.popen.stdout, self._loop, max_output, self._look)
        if self.popen.stderr is not None:
            self.stderr = Output(self.popen.stderr, self._loop, max_output, self._look)

    def __repr__(self) -> str:
        return f"<Program {self.args[0]!r} pid={self.pid} returncode={self.returncode}>"

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, `-n` when the OS signal n ended it; `None` while it runs."""
        return self.popen.returncode

    @property
    def result(self) -> ProcessResult:
        """The status and output so far."""
        out, err = self.stdout, self.stderr
        return ProcessResult(
            self.args,
            self.pid,
            self.returncode,
            b"" if out is None else out.kept,
            b"" if err is None else err.kept,
            0 if out is None else out.lost,
            0 if err is None else err.lost,
        )

    # -- signals --------------------------------------------------------------------------------------------------

    def send_signal(self, signum: int) -> bool:
        """Send an OS signal to the program's process group. False when no process is left in it."""
        return not self._over and self._group.send(signum)

    def kill(self) -> None:
        """Send SIGKILL to the group, and to processes of the program that have left it. Returns at once."""
        self._stopped = True
        if not self._over:
            self.killed = True
            self._group.kill()

    def leave(self) -> None:
        """The loop ends.

        :meta private:
        """
        self.kill()

    # -- for a report ---------------------------------------------------------------------------------------------

    @property
    def stays(self) -> bool:
        """Whether it got a SIGKILL from here.

        :meta private:
        """
        return self.killed

    def place(self) -> str | None:
        """What the task waits for; `None` when it is over.

        :meta private:
        """
        return None if self._over else f"program {self.args[0]} (pid {self.pid})"

    def note(self) -> str | None:
        """Says that the program had to be killed, for a report.

        :meta private:
        """
        return f"program {self.args[0]} (pid {self.pid}) got a SIGKILL" if self.killed else None

    def left_behind(self) -> None:
        """A program leaves no thread behind.

        :meta private:
        """

    def os_signal(self, sig: type[Signal]) -> int | None:
        """The OS signal for signals of this class: that of the class or of its nearest base in `signals`.

        :meta private:
        """
        for base in sig.__mro__:
            if base in self._signals:
                return self._signals[base]
        return None

    def hear(self, signal: Signal) -> None:
        """A signal is pending in the task: send the program the OS signal that `signals` has for it, if any.

        :meta private:
        """
        if (signum := self.os_signal(type(signal))) is not None:
            self.send_signal(signum)

    def ask(self, msg: object, task: object) -> None:
        """The task got a signal or a plain cancel: tell the program, and make sure that it ends.

        :meta private:
        """
        if is_kill(msg):
            self.kill()
            return
        signum = self.os_signal(type(msg) if isinstance(msg, Signal) else Terminate)
        if signum is None or (self._stopped and not isinstance(msg, Signal)):
            return  # anyio repeats a plain cancel on every turn of the loop
        self._stopped = True
        self._group.adopt()
        if self.send_signal(signum) and hasattr(signal, "SIGCONT"):
            self.send_signal(signal.SIGCONT)  # a stopped one takes it at once, and not when it is continued
        if self._grace_timer is None and not ladder_will_kill(task):
            self._grace_timer = self._loop.call_later(self._grace, self.kill)

    # -- the end --------------------------------------------------------------------------------------------------

    async def wait(self) -> ProcessResult:
        """Wait until the program has ended, with all it started in its group, and its output is read.

        If cancelled or signalled, the program gets the OS signal that stands for it, and the signal is raised when the
        program has ended. A Kill is raised at once.
        """
        if self._over:
            return self.result
        for output in (self.stdout, self.stderr):
            if output is not None:
                output.release()
        relay: Relay[ProcessResult] = Relay(lambda msg: self.ask(msg, relay.task), loop=self._loop)
        self._waits.append(relay)
        return await relay

    def _leader_ended(self) -> None:
        self._gone_at = self._loop.time()
        if self.stdin is not None:
            self.stdin.close()
        self._look()

    def _look(self) -> None:
        """Is it over? The leader has ended, or a pipe has, or some time has passed since."""
        if self._gone_at is None or self._over:
            return
        if self._look_timer is not None:
            self._look_timer.cancel()
        waited = self._loop.time() - self._gone_at
        others = self._group.is_left()
        if others and waited >= LINGER and not self._stopped:
            self.kill()
        if not others and self._stopped:
            # What has left the group, to live on elsewhere, is not let off. Its end may hand us a member of the group.
            others = self._group.kill_strays() or self._group.is_left()
        at_end = all(output is None or output.at_end for output in (self.stdout, self.stderr))
        if others or not (at_end or waited >= LINGER):
            self._look_timer = self._loop.call_later(POLL, self._look)
        else:
            self._end()

    def _end(self) -> None:
        self._over = True
        self._group.forget()
        if self._grace_timer is not None:
            self._grace_timer.cancel()
        for output in (self.stdout, self.stderr):
            if output is not None:
                output.close()
        for relay in self._waits:
            if relay.asked:
                relay.give_up()
            elif not relay.done():
                relay.set_result(self.result)
        self._children.remove(self)

    async def stop(self, error: BaseException) -> None:
        """The block around it is left by this error: end the program, and wait for its end.

        :meta private:
        """
        if (isinstance(error, Signal) and error.level >= KILL_LEVEL) or isinstance(error, GeneratorExit):
            self.kill()  # nothing may be awaited any more
        elif not self._over:
            self.ask(error if isinstance(error, Signal) else None, asyncio.current_task())
            await self.wait()


def _launch(
    call: str,
    args: tuple[str, ...],
    pipes: tuple[Stream, Stream, Stream],
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
) -> tuple[subprocess.Popen[bytes], Group]:
    if os.name != "posix":
        raise NotImplementedError(f"{call} needs process groups, which this platform lacks; use asyncio's subprocess")
    stdin, stdout, stderr = pipes
    try:
        made, mark = marked_environment(env)
        # Blocks until the program is executed, as asyncio's own does.
        popen = subprocess.Popen(
            args, bufsize=0, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=made, start_new_session=True
        )
    except OSError as error:
        raise explained(error, call, args, cwd) from None
    except (AttributeError, TypeError, ValueError) as error:  # AttributeError: a stream that is no file
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{call}: {args[0]!r:.200} was not started: {error!s:.200}; "
            f"check its arguments, cwd, env and streams for what the system does not take"
        ) from None
    return popen, Group(popen.pid, mark)


Program.__module__ = "sigtask"
