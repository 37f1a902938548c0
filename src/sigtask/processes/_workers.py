"""A worker process, and one call in it, as the loop sees them."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Any

from .._stop.time import at_work_on
from ..signals import Signal, Terminate
from ._children import children_of, when_gone
from ._errors import RemoteError, RemoteTraceback, died, pickled_signal
from ._groups import Group, marked_environment
from ._relay import Relay, is_kill, ladder_will_kill
from ._wire import RESULT, Channel

LEAVING = 2.0
"""Seconds that a worker with nothing to do has to end by itself: its `atexit` handlers run."""


class Call:
    """One function in a worker: what its task awaits is `relay`."""

    def __init__(self, worker: Worker, number: int, name: str, grace: float) -> None:
        self.worker = worker
        self.number = number
        self.name = name
        self.relay: Relay[Any] = Relay(self.ask, loop=worker.loop)
        self.trace = ""
        """Where in the worker a signal was raised; or why the worker had to be killed."""
        self._grace = grace
        self._grace_timer: TimerHandle | None = None
        self._sent = 0
        self._thrown_at = 0
        self._level = 0

    # -- signals --------------------------------------------------------------------------------------------------

    def ask(self, msg: object) -> None:
        """A signal, or a plain cancel, is thrown at the task: it goes to the function instead."""
        if is_kill(msg):
            self.worker.kill()
            return
        if not isinstance(msg, Signal) and self._thrown_at:
            return  # anyio repeats a plain cancel on every turn of the loop
        self._send(msg)
        self._thrown_at = self._sent
        self._level = msg.level if isinstance(msg, Signal) else Terminate.level
        self._start_grace()

    def hear(self, signal: Signal) -> None:
        """A signal is pending in the task: the function may ask for it."""
        self._send(signal)

    def _send(self, msg: object) -> None:
        self._sent += 1
        left = min((stopping.rung_left for stopping in at_work_on(self.relay.task)), default=None)
        self.worker.tell(self.number, pickle.dumps((self._sent, *pickled_signal(msg), left)))

    def _start_grace(self) -> None:
        if self._grace_timer is None and not ladder_will_kill(self.relay.task):
            self._grace_timer = self.worker.loop.call_later(self._grace, self._grace_is_over)

    def _stop_grace(self) -> None:
        if self._grace_timer is not None:
            self._grace_timer.cancel()
            self._grace_timer = None

    def _grace_is_over(self) -> None:
        self.trace = f"{self.name} had not ended {self._grace:g} s later: its worker process was killed\n"
        self.worker.kill()

    def heard_back(self, what: str, value: Any) -> None:
        """The worker tells how it goes."""
        if what == "held" and value == self._thrown_at:
            self._stop_grace()  # in a mask: nobody is to end that but a Kill
        elif what == "thrown" and self._thrown_at:
            self._stop_grace()
            if self._level >= Terminate.level:  # who is interrupted may go on with something else
                self._start_grace()

    # -- for a report ---------------------------------------------------------------------------------------------

    @property
    def stays(self) -> bool:
        """Whether its worker got a SIGKILL from here."""
        return self.worker.killed

    def place(self) -> str | None:
        """What the task waits for; `None` when it is over."""
        return None if self.worker.call is not self else f"{self.name} in worker process {self.worker.popen.pid}"

    def note(self) -> str | None:
        """That it had to be killed."""
        return f"worker process {self.worker.popen.pid} got a SIGKILL, in {self.name}" if self.stays else None

    def left_behind(self) -> None:
        """No thread."""

    # -- the end --------------------------------------------------------------------------------------------------

    def returned(self, taken: int, value: Any) -> None:
        """The function has. A signal that came too late for it, or was only pending there, is the task's."""
        self._stop_grace()
        if self.relay.asked and taken < self._thrown_at:
            self.relay.give_up()
        elif not self.relay.done():
            self.relay.set_result(value)

    def raised(self, error: BaseException, trace: str) -> None:
        """The function has raised this."""
        self._stop_grace()
        if self.relay.done():
            return
        if self.relay.asked and isinstance(error, asyncio.CancelledError):
            self.trace = trace
            self.relay.give_up()
            return
        if trace:
            error.__cause__ = RemoteTraceback(trace)
        self.relay.set_exception(error)

    def lost(self, error: BaseException) -> None:
        """The worker is gone."""
        self._stop_grace()
        if self.relay.asked:
            self.trace = self.trace or f"{error}\n"
            self.relay.give_up()
        elif not self.relay.done():
            self.relay.set_exception(error)


class Worker:
    """A worker process. `idle(worker)` is called when it has nothing to do, `gone(worker)` when it is reaped."""

    def __init__(self, idle: Callable[[Worker], object], gone: Callable[[Worker], object]) -> None:
        self.loop: AbstractEventLoop = asyncio.get_running_loop()
        self.call: Call | None = None
        self.killed = False
        self._idle = idle
        self._gone = gone
        self._number = 0
        self._leaving = False
        self._timer: TimerHandle | None = None
        self._children = children_of(self.loop)
        sockets: list[socket.socket] = []
        try:
            for _ in "calls", "control":
                sockets += socket.socketpair()
            self.popen, self._group = _launch(sockets[1].fileno(), sockets[3].fileno())
        except BaseException as error:
            for sock in sockets:
                sock.close()
            if isinstance(error, OSError):
                raise type(error)(error.errno, f"no worker process could be started: {error.strerror}") from None
            raise
        for sock in sockets[1::2]:
            sock.close()
        self._calls = Channel(sockets[0], self.loop, self._outcome)
        self._control = Channel(sockets[2], self.loop, self._told)
        self._calls.send(0, pickle.dumps(_preparation()))
        self._children.add(self)
        when_gone(self.popen, self.loop, self._ended)

    def __repr__(self) -> str:
        return f"<worker process {self.popen.pid}{' at work' if self.call else ''}>"

    def give(self, payload: bytes, name: str, grace: float) -> Call:
        """Have it run a function."""
        self._number += 1
        self.call = Call(self, self._number, name, grace)
        self._calls.send(self._number, payload)
        return self.call

    def tell(self, number: int, payload: bytes) -> None:
        """Send something to the function of that call."""
        if self.call is not None and self.call.number == number:
            self._control.send(number, payload)

    def kill(self) -> None:
        """SIGKILL to it, and to what the function has started. Returns at once."""
        self._leaving = self.killed = True
        self._group.kill()

    def leave(self) -> None:
        """Have it end: by itself if it has nothing to do, else now."""
        if self.call is not None or self._leaving:
            self.kill()
            return
        self._leaving = True
        self._calls.close()
        self._timer = self.loop.call_later(LEAVING, self.kill)

    # -- what it says ---------------------------------------------------------------------------------------------

    def _outcome(self, number: int, frame: memoryview) -> None:
        call, self.call = self.call, None
        if call is None:
            return
        try:
            taken, *rest = pickle.loads(frame[1:])
        except Exception as error:
            why = f"what {call.name} returned cannot be unpickled here: {type(error).__name__}: {error}"
            call.raised(TypeError(f"{why}; return plain data"), "")
        else:
            if frame[0] == RESULT:
                call.returned(taken, rest[0])
            else:
                raised, text, trace = rest
                call.raised(RemoteError(f"{call.name} raised {text}") if raised is None else raised, trace)
        if not self._leaving:
            self._idle(self)

    def _told(self, number: int, frame: memoryview) -> None:
        if self.call is not None and self.call.number == number:
            self.call.heard_back(*pickle.loads(frame))

    def _ended(self) -> None:
        self._leaving = True
        self._calls.read_rest()
        if self._timer is not None:
            self._timer.cancel()
        for channel in (self._calls, self._control):
            channel.close()
        self._group.kill()  # what its function has started, and left
        call, self.call = self.call, None
        if call is not None:
            call.lost(died(self.popen.pid, self.popen.returncode, call.name))
        self._look()

    def _look(self) -> None:
        if self._group.kill_strays() or self._group.is_left():  # in this order: a stray's end may hand us a member
            self.loop.call_later(0.02, self._look)
            return
        self._group.forget()
        self._children.remove(self)
        self._gone(self)


def _launch(call_fd: int, control_fd: int) -> tuple[subprocess.Popen[bytes], Group]:
    if os.name != "posix":
        raise NotImplementedError("to_process() needs OS signals that this platform lacks; use ProcessPoolExecutor")
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {here!r}); from sigtask.processes._worker import main; main({{}}, {{}})"
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    env, mark = marked_environment(None)
    popen = subprocess.Popen(
        [sys.executable, *flags, "-c", code.format(call_fd, control_fd)],
        stdin=subprocess.DEVNULL,
        pass_fds=(call_fd, control_fd),
        env=env,
        process_group=0,  # not a session: Linux shares the CPU out by sessions, and each worker would be on its own
    )
    return popen, Group(popen.pid, mark)


def _preparation() -> dict[str, Any]:
    """What `multiprocessing.spawn.prepare` needs to make this program's `__main__` known in the worker."""
    made: dict[str, Any] = {"name": "sigtask-worker", "sys_path": list(sys.path), "sys_argv": list(sys.argv)}
    made["dir"] = os.getcwd()
    main: Any = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    path = getattr(main, "__file__", None)
    if name is not None:
        made["init_main_from_name"] = name
    elif path is not None:
        made["init_main_from_path"] = os.path.abspath(path)
    return made
