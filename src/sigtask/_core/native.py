"""Which of two twins makes tasks: the extension in C (`speed.c`), or its specification in Python.

The one in C is there when a compiler was where sigtask was built, but not in an isolated subinterpreter (one with a GIL
of its own), which refuses to load it. `SIGTASK_PURE=1` in the environment, looked at when sigtask is first used, takes
the one in Python all the same; `SIGTASK_REQUIRE_SPEED=1` makes a missing C an ImportError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar

_C = TypeVar("_C", bound=type)

speed: Any = None
"""The module in C, or `None`."""


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


if not _is_set("SIGTASK_PURE"):
    try:
        from . import speed
    except ImportError:
        if _is_set("SIGTASK_REQUIRE_SPEED"):
            raise

implementation: Literal["C", "Python"] = "Python" if speed is None else "C"
"""What runs on the path of every task."""


_NOT_LENT = ("__dict__", "__doc__", "__module__", "__slots__", "__static_attributes__", "__weakref__")


def in_c(name: str) -> Callable[[_C], _C]:
    """A class of which C has the fields: its type of that name is lent what it lacks, and stands in its place."""

    def lend(cls: _C) -> _C:
        if speed is None:
            return cls
        twin: Any = getattr(speed, name)
        for attribute, value in vars(cls).items():
            if attribute not in _NOT_LENT and attribute not in vars(twin):
                setattr(twin, attribute, value)
        twin.__module__, twin.__name__, twin.__qualname__, twin.__doc__ = cls.__module__, name, name, cls.__doc__
        return twin  # type: ignore[no-any-return]

    return lend
