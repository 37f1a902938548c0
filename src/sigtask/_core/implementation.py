"""Which of two twins makes tasks: `speed.c`, or its specification in Python (`shim.Shim`, `factory`).

The one in C is there when a compiler was where sigtask was built. `SIGTASK_PURE=1` in the environment, looked at when
sigtask is imported, takes the one in Python all the same; `SIGTASK_REQUIRE_SPEED=1` makes a missing C an ImportError.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from . import shim as _shim

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

make_shim: Any = _shim.make_shim
if speed is not None:
    make_shim = speed.make_shim
    # What is done with a signal is written once: these read and write `coro` and `send`, as both types have them.
    for _name in ("throw", "_deliver", "_resume", "_kill", "close", "__await__"):
        setattr(speed.Shim, _name, vars(_shim.Shim)[_name])
