"""Signals for asyncio tasks: many strengths of "stop", each with a reason, from a polite word to a kill that works."""

from ._blocks import accept, catch, mask, on_signal, requested, wait_requested
from ._inbox import Delivery, Fate
from ._install import eager_task_factory, install, task_factory
from ._task import Task
from .signals import Drain, Interrupt, Kill, Signal, Terminate

__all__ = [
    "Delivery",
    "Drain",
    "Fate",
    "Interrupt",
    "Kill",
    "Signal",
    "Task",
    "Terminate",
    "accept",
    "catch",
    "eager_task_factory",
    "install",
    "mask",
    "on_signal",
    "requested",
    "task_factory",
    "wait_requested",
]
