"""Chooses the implementation of tasks: the C extension (`speed.c`), or its specification in Python.

The C extension is available if sigtask was built with a compiler. An isolated subinterpreter (one with its own GIL)
cannot load it. `SIGTASK_PURE=1` in the environment, read when sigtask is first used, selects Python;
`SIGTASK_REQUIRE_SPEED=1` makes a missing C extension an ImportError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar

_C = TypeVar("_C", bound=type)

speed: Any = None
"""The C extension, or `None`."""


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


if not _is_set("SIGTASK_PURE"):
    try:
        from . import speed
    except ImportError:
        if _is_set("SIGTASK_REQUIRE_SPEED"):
            raise

implementation: Literal["C", "Python"] = "Python" if speed is None else "C"
"""`"C"` or `"Python"`: what makes tasks. Both behave the same; `SIGTASK_PURE=1` selects Python."""


_NOT_LENT = ("__dict__", "__doc__", "__module__", "__slots__", "__static_attributes__", "__weakref__")


def in_c(name: str) -> Callable[[_C], _C]:
    """Decorate a class whose fields are in C: the C type of that name gets its methods, and replaces it."""

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
