"""Signals for asyncio tasks: many strengths of "stop", each with a reason, from a polite word to a kill that works."""

from ._blocks import accept, catch, mask, on_signal
from ._inbox import Delivery, Fate
from ._install import eager_task_factory, install, task_factory
from ._requested import requested, wait_requested
from ._shim import abandoned_count
from ._stop import extend, stop, time_left
from ._task import Task
from .ladder import Ladder, Rung
from .report import Report, RungReport, TaskReport, ThreadReport
from .runner import run
from .signals import Drain, Interrupt, Kill, Signal, Terminate

__all__ = [
    "Delivery",
    "Drain",
    "Fate",
    "Interrupt",
    "Kill",
    "Ladder",
    "Report",
    "Rung",
    "RungReport",
    "Signal",
    "Task",
    "TaskReport",
    "Terminate",
    "ThreadReport",
    "abandoned_count",
    "accept",
    "catch",
    "eager_task_factory",
    "extend",
    "install",
    "mask",
    "on_signal",
    "requested",
    "run",
    "stop",
    "task_factory",
    "time_left",
    "wait_requested",
]
