"""A worker process: runs one function after another in its main thread, under the signals of the task that waits.

    main thread       call socket: a function comes, its outcome goes      ◄── SIGINT makes it look at once
    control thread    control socket: signals come ──► WorkerFunction.receive ──► a SIGINT to the main thread

The SIGINT only wakes: what is raised, if anything is, was decided in the function's inbox. It breaks into pure Python
at the next bytecode, into a system call that waits (EINTR), and into C code that looks for signals. One that comes
when nothing is in flight, from a person for example, does nothing.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from asyncio import CancelledError
from collections.abc import Callable
from types import FrameType
from typing import Any

from .. import threads as its_threads
from .._core.host import running
from ..signals import Signal
from ..threads._function import Function, close_the_block_of, is_at_a_blocks_edge
from ..threads._lock import locked
from ._errors import by_level
from ._wire import ERROR, RESULT, framed, receive

AGAIN = 0.05
"""Seconds until the main thread is woken once more: the first SIGINT may have come just before it began to wait."""

OURS = {os.path.dirname(file) for file in (__file__, its_threads.__file__)}
"""The folders whose lines a traceback leaves out."""

Message = tuple[int, bytes, int, str, float | None]
"""A signal's number in the call, its pickle, its level (0: a plain cancel), its reason as text, seconds to go."""


class WorkerFunction(Function):
    """The function that the worker runs, as the blocks in it see it."""

    def __init__(self, number: int, fn: Callable[..., Any], args: tuple[Any, ...], worker: Worker) -> None:
        super().__init__(fn, args)
        self.number = number
        self.taken = 0
        """The number of the last message that the function has taken."""
        self._worker = worker
        self._task_name: object = None

    def get_name(self) -> str:
        """The name of its process."""
        return f"worker process {os.getpid()}"

    @property
    def owner(self) -> Any:
        """As in `Function`; a task does not travel, and its name stands for it, as in its signals' `target`."""
        return self._task_name

    # -- how a signal gets in -----------------------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """A signal has come, in the control thread."""
        seq, data, level, text, seconds = message
        what = _unpickled(data, level, text)
        locked(self.lock, self._take, seq, what, seconds)

    def _take(self, seq: int, what: Any, seconds: float | None) -> None:
        self._task_name = getattr(what, "target", None)
        if seconds is not None:
            self.inbox.stops = (_Ladder(self._worker.now() + seconds, self._worker.now),)
        taken = self.receive(what) if isinstance(what, Signal) else self.receive_plain(what)
        if taken:
            self.taken = seq
        elif not self.ended:
            self._worker.tell(self.number, ("held", seq))

    def inject(self) -> bool:
        """As in `Function`: the handler of SIGINT raises it."""
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self._later(AGAIN, self._inject_again)
        return True

    def _inject_again(self) -> None:
        locked(self.lock, self._inject_if_missed)

    def _inject_if_missed(self) -> None:
        if self.hit and not self.ended:
            self.inject()

    def inject_soon(self) -> None:
        """As in `Function`: a moment later."""
        self._later(0.001, self.hit_again)

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        """A timer of our own: `call_later` takes the hit back while it starts one, and hits again, which leads here.

        Nothing is raised in the main thread while it starts: `hit` is set after.
        """
        timer = threading.Timer(seconds, callback)
        timer.daemon = True
        timer.start()

    def woken(self, frame: FrameType | None) -> None:
        """In the handler of SIGINT, which interrupted `frame`: raise what is in flight, unless at a block's edge."""
        if not self.hit or is_at_a_blocks_edge(frame):
            return
        error = locked(self.lock, self._land_in, frame)
        if error is not None:
            try:
                raise error
            finally:
                del error, frame

    def _land_in(self, frame: FrameType | None) -> CancelledError | None:
        close_the_block_of(frame)
        return self._land()

    def _land(self) -> CancelledError | None:
        error = super()._land()
        if error is not None:
            self._worker.tell(self.number, ("thrown", getattr(error, "level", None)))
        return error


def _unpickled(data: bytes, level: int, text: str) -> Any:
    """The signal; of a class that this process cannot import, the nearest that all know."""
    try:
        return pickle.loads(data)
    except Exception:
        return by_level(level)(text)


class _Ladder:
    """What the function knows of the ladder that is at work on its task."""

    def __init__(self, due_at: float, now: Callable[[], float]) -> None:
        self._due_at = due_at
        self._now = now
        self.done = self

    def __call__(self) -> bool:
        return False

    @property
    def rung_left(self) -> float:
        """Seconds until the next rung."""
        return max(0.0, self._due_at - self._now())

    def extend(self, seconds: float) -> float:
        """It can only be asked where it is."""
        return 0.0


class Worker:
    """The process this runs in."""

    def __init__(self, call: socket.socket, control: socket.socket) -> None:
        self._call = call
        self._control = control
        self._lock = threading.Lock()
        self._function: WorkerFunction | None = None
        self._early: dict[int, list[Message]] = {}
        self._last = 0

    @staticmethod
    def now() -> float:
        """The clock of the process: durations travel, never an instant."""
        return time.monotonic()

    def tell(self, number: int, what: tuple[str, Any]) -> None:
        """Tell the loop how it goes. Small, and so written in one piece, by whichever thread."""
        try:
            self._control.sendall(framed(number, pickle.dumps(what)))
        except OSError:  # nobody is there: the call socket's end says so
            return

    # -- main thread --------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Run what comes, until nothing can come any more."""
        signal.signal(signal.SIGINT, self._woken)
        threading.Thread(target=self._listen, name="sigtask-control", daemon=True).start()
        while (frame := receive(self._call)) is not None:
            number, payload = frame
            reply = self._run(number, payload)
            del frame, payload
            try:
                self._call.sendall(framed(number, reply))
            except OSError:
                return

    def _woken(self, signum: int, frame: FrameType | None) -> None:
        function = running.function
        if isinstance(function, WorkerFunction):
            function.woken(frame)

    def _run(self, number: int, payload: bytearray) -> bytes:
        try:
            fn, args = pickle.loads(payload)
        except BaseException as error:
            why = TypeError(
                f"the worker could not unpickle the function or its arguments: {type(error).__name__}: {error}; "
                f"define what is sent in a module that the worker can import, not in a shell or a notebook"
            )
            return _error(0, why, error)
        function = WorkerFunction(number, fn, args, self)
        del fn, args, payload
        self._begin(function)
        try:
            function.run()
        except BaseException as error:  # two signals in the few lines around the function: the later counts
            function.error = function.error or error
        with self._lock:
            self._function, self._last = None, number
        with function.lock:
            taken = function.taken
        if function.error is not None:
            try:
                return _error(taken, function.error, function.error)
            finally:
                function.error = None
        return _result(taken, function)

    def _begin(self, function: WorkerFunction) -> None:
        with self._lock:
            self._function = function
            early = self._early.pop(function.number, ())
        for message in early:
            function.take(message)

    # -- control thread -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # it is for the main thread
        while (frame := receive(self._control)) is not None:
            number, payload = frame
            message: Message = pickle.loads(payload)
            with self._lock:
                function = self._function
                if function is None or function.number != number:
                    if number > self._last:
                        self._early.setdefault(number, []).append(message)
                    continue
            function.take(message)


def _result(taken: int, function: WorkerFunction) -> bytes:
    value = function.box[0]
    try:
        return bytes([RESULT]) + pickle.dumps((taken, value), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        why = TypeError(
            f"what the function returned does not pickle, and cannot leave the worker: {type(value).__qualname__}: "
            f"{error}; return plain data"
        )
        return _error(taken, why, error)


def _error(taken: int, error: BaseException, shown: BaseException) -> bytes:
    text = _traceback(shown)
    error.__traceback__ = None
    name = f"{type(error).__qualname__}: {error}"
    for candidate in (error, None):
        try:
            data = pickle.dumps((taken, candidate, name, text))
            pickle.loads(data)  # many an exception pickles, and cannot be made again
            return bytes([ERROR]) + data
        except Exception:
            continue
    raise SystemError("four plain values do not pickle")


def _traceback(error: BaseException) -> str:
    """The traceback without the lines of ours: above the function, and of the handler that raised a signal in it."""
    shown = traceback.TracebackException.from_exception(error)
    for part in (shown, shown.__cause__, shown.__context__):
        if part is not None:
            part.stack[:] = [frame for frame in part.stack if os.path.dirname(frame.filename) not in OURS]
    return "".join(shown.format())


def _not_yet(signum: int, frame: FrameType | None) -> None:
    """A SIGINT before there is a function to wake."""


def main(call_fd: int, control_fd: int) -> None:
    """The worker's whole life. The first frame says what its `sys.path` and its `__main__` are."""
    call, control = (socket.socket(fileno=fd) for fd in (call_fd, control_fd))
    for sock in (call, control):
        sock.set_inheritable(False)  # not for the programs that a function starts
    signal.signal(signal.SIGINT, _not_yet)
    frame = receive(call)
    if frame is None:
        return
    preparation = pickle.loads(frame[1])
    sys.path = preparation["sys_path"]
    from multiprocessing import spawn

    from . import _pool

    _pool.preparing = True
    spawn.prepare(preparation)  # as multiprocessing's own children are prepared
    _pool.preparing = False
    Worker(call, control).serve()
