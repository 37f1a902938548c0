"""The exception that is raised in a function's thread, and turns into the signal there."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from .._core.host import running


class _Landing(type):
    """The interpreter can be told to raise a class, not an instance; it makes the instance in the thread it hits.

    So there the signal takes its place, with its reason, and the strongest of several (R6).
    """

    def __call__(cls, *args: object) -> Any:
        if args:  # 3.11, in an `except`: it asks once more, with what it was given, for that is of another class
            return args[0]
        function: Any = running.function
        return CancelledError("withdrawn too late") if function is None else function.landing()


class Injected(CancelledError, metaclass=_Landing):
    """What the interpreter is told to raise in a function's thread."""
