"""Context variables that a handler sets, for the server and its logs."""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Any

_UNSET: Any = object()


def carry_back(context: Context, but: ContextVar[Any] | None = None) -> None:
    """Variables that the handler has set are seen by what called it, as if it had run in the caller's task."""
    for var, value in context.items():
        if var is not but and var.get(_UNSET) is not value:
            var.set(value)
