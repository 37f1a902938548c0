"""Callbacks just before the process is ended by force (R30), for modules that own something outside the process."""

from __future__ import annotations

from collections.abc import Callable

acts: list[Callable[[], object]] = []
"""Called in the watchdog's thread, in order, each whatever became of the others. None of them may wait for long."""
