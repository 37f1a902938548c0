"""The part of a workload that is measured: between `section.start()` and `section.stop()`, once per run.

count   Instructions. Both calls are `os.getppid()`, at which callgrind (`--dump-before=getppid`) writes down what
        it has counted and starts again from zero. So one process gives many counts, and neither starting Python
        nor the making ready of a workload is in any of them. (The two calls add 530 instructions.)
wall    Seconds by the clock.
cpu     Seconds of processor time: what others take of the machine is not in it, nor is waiting.
bytes   What tracemalloc says was allocated and not freed.
off     Nothing: to warm up.
"""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Callable

MODES = ("count", "wall", "cpu", "bytes", "off")


def _no_clock() -> float:
    return 0.0


def _traced() -> float:
    return float(tracemalloc.get_traced_memory()[0])


_CLOCKS: dict[str, Callable[[], float]] = {
    "count": lambda: float(os.getppid()),
    "wall": time.perf_counter,
    "cpu": time.process_time,
    "bytes": _traced,
    "off": _no_clock,
}


class Section:
    """One measurement; `value` is what came of it, in the unit of its mode (0 for `count`: callgrind has it)."""

    def __init__(self, mode: str) -> None:
        self.value: float | None = None
        self._clock = _CLOCKS[mode]
        self._collect = mode not in ("off", "bytes")
        self._began = 0.0

    def start(self) -> None:
        """Here begins what is measured.

        The collector starts from the same state each time. What it then does at the workload's cost, it does as ever.
        """
        if self._collect:
            gc.collect()
        self._began = self._clock()

    def stop(self) -> None:
        """Here it ends."""
        self.value = self._clock() - self._began
