"""Signals for asyncio tasks: many strengths of "stop", each with a reason, from a polite word to a kill that works."""

from typing import TYPE_CHECKING, Any

from ._core.asking import requested, wait_requested
from ._core.blocks import accept, catch, mask, on_signal
from ._core.delivery import Delivery, Fate
from ._core.factory import eager_task_factory, install, task_factory
from ._core.function import checkpoint, defer
from ._core.implementation import implementation
from ._core.shim import abandoned_count
from ._core.task import Task
from ._run.runner import run
from ._stop.stopping import stop
from ._stop.time import extend, time_left
from .ladder import Ladder, Rung
from .report import Report, RungReport, TaskReport, ThreadReport
from .signals import Drain, Interrupt, Kill, Signal, Terminate
from .threads import to_thread

if TYPE_CHECKING:
    from .processes import (
        ProcessError,
        ProcessPool,
        ProcessResult,
        Program,
        RemoteError,
        WorkerDied,
        open_process,
        partial_result,
        run_process,
        to_process,
    )

__all__ = [
    "Delivery",
    "Drain",
    "Fate",
    "Interrupt",
    "Kill",
    "Ladder",
    "ProcessError",
    "ProcessPool",
    "ProcessResult",
    "Program",
    "RemoteError",
    "Report",
    "Rung",
    "RungReport",
    "Signal",
    "Task",
    "TaskReport",
    "Terminate",
    "ThreadReport",
    "WorkerDied",
    "abandoned_count",
    "accept",
    "catch",
    "checkpoint",
    "defer",
    "eager_task_factory",
    "extend",
    "implementation",
    "install",
    "mask",
    "on_signal",
    "open_process",
    "partial_result",
    "requested",
    "run",
    "run_process",
    "stop",
    "task_factory",
    "time_left",
    "to_process",
    "to_thread",
    "wait_requested",
]


def __getattr__(name: str) -> Any:
    """What has to do with processes is imported when it is first used: a program without any does not wait for it."""
    if name in __all__:
        from . import processes

        return getattr(processes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
