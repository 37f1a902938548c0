"""What is done just before the process is ended by force (R30): an edge that owns something outside it adds to this."""

from __future__ import annotations

from collections.abc import Callable

acts: list[Callable[[], object]] = []
"""Called in the watchdog's thread, in order, each whatever became of the others. None of them may wait for long."""
