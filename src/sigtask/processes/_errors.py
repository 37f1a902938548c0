"""The errors of worker processes, and what is sent in place of an object that cannot be pickled."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

from ..signals import Drain, Interrupt, Signal, Terminate
from ._result import ending


class WorkerDied(RuntimeError):
    """A worker process ended before its function had: it crashed, called `os._exit()`, or was killed.

    `status` is its exit status, `-n` when the OS signal n ended it; `pid` is its process id. Only this call fails; the
    pool starts another worker.

    Example::

        import os

        try:
            await to_process(os._exit, 3)
        except WorkerDied as error:
            print(error.status)  # 3

    .. versionadded:: 0.1.0
    """

    def __init__(self, message: str, pid: int, status: int) -> None:
        super().__init__(message, pid, status)
        self.pid = pid
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class RemoteError(RuntimeError):
    """The function in a worker process raised an exception that cannot be pickled. Its text and traceback are here.

    Example::

        try:
            await to_process(pow, 2, 10)
        except RemoteError as error:
            print(error)

    .. versionadded:: 0.1.0
    """


class RemoteTraceback(Exception):
    """The `__cause__` of an exception that a worker process raised: the traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def died(pid: int, status: int, fn: str) -> WorkerDied:
    """The error for a call whose worker has ended."""
    hint = "; if nobody sent that, it was the system, out of memory" if status == -9 else ""
    return WorkerDied(f"the worker process {pid} {ending(status)} before {fn} had returned{hint}", pid, status)


def check_grace(grace: object, call: str) -> None:
    """Raises: `ValueError`, naming `call`, for what is no number of seconds from 0 on."""
    if not isinstance(grace, int | float) or not 0 <= grace < math.inf:
        raise ValueError(f"{call}: grace is {grace!r:.200}; give a number of seconds, 0 or more, and finite")


def pickled(fn: Callable[..., Any], args: tuple[Any, ...], call: str) -> bytes:
    """The function and its arguments as a pickle.

    Raises: `TypeError` that names what cannot be pickled.
    """
    try:
        return pickle.dumps((fn, args), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        for what, one in [("the function", fn), *((f"argument {n}", arg) for n, arg in enumerate(args, 1))]:
            try:
                pickle.dumps(one, pickle.HIGHEST_PROTOCOL)
            except Exception as cause:
                raise TypeError(_refusal(call, what, one, cause)) from None
        raise TypeError(_refusal(call, "what is sent", (fn, args), error)) from None


def _refusal(call: str, what: str, one: object, error: Exception) -> str:
    advice = (
        "define it with `def` at the top level of a module, not as a lambda or inside a function"
        if what == "the function"
        else "send plain data, and open files, locks and connections in the function"
    )
    return f"{call} sends by pickle, and {what} does not: {one!r:.200} ({type(error).__name__}: {error}); {advice}"


def by_level(level: int) -> Callable[[object], Signal | None]:
    """The built-in class nearest to a level, for a signal whose class is not available here."""
    if level == 0:
        return lambda reason: None
    return Terminate if level >= Terminate.level else Interrupt if level >= Interrupt.level else Drain


def pickled_signal(msg: object) -> tuple[bytes, int, str]:
    """A signal, or a plain cancel's message, to be sent: its pickle, its level and its reason as text."""
    if not isinstance(msg, Signal):
        return _dumped(msg, None if msg is None else repr(msg)), 0, ""
    text = "" if msg.reason is None else str(msg.reason)[:1000]
    plain = msg.copy()
    plain.reason, plain.args, plain.__cause__ = text, (text,), None
    return _dumped(msg, plain, by_level(msg.level)(text)), msg.level, text


def _dumped(*candidates: object) -> bytes:
    """The pickle of the first one that can be pickled."""
    for one in candidates[:-1]:
        try:
            return pickle.dumps(one)
        except Exception:  # a reason may be any object
            continue
    return pickle.dumps(candidates[-1])


for _cls in (WorkerDied, RemoteError):
    _cls.__module__ = "sigtask"
