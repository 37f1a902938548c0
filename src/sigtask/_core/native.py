"""Which of two twins makes tasks: the extension in C (`speed.c`), or its specification in Python.

The one in C is there when a compiler was where sigtask was built, but not in an isolated subinterpreter (one with a GIL
of its own), which refuses to load it. `SIGTASK_PURE=1` in the environment, looked at when sigtask is first used, takes
the one in Python all the same; `SIGTASK_REQUIRE_SPEED=1` makes a missing C an ImportError.
"""

from __future__ import annotations

import os
from typing import Any, Literal

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
