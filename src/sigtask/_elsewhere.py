"""Where a plain function can run under the signals of the task that waits for it: a thread, or a process of its own.

An edge that needs one of these takes it from here, by its name: edges do not import one another, and one that is
not used is not imported either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any


def in_thread() -> Callable[..., Awaitable[Any]]:
    """`to_thread`."""
    return import_module("sigtask.threads").to_thread  # type: ignore[no-any-return]  # what a name in a module is


def in_process() -> Callable[..., Awaitable[Any]]:
    """`to_process`."""
    return import_module("sigtask.processes").to_process  # type: ignore[no-any-return]  # what a name in a module is
