"""Signals for asyncio tasks: many strengths of "stop", each with a reason, from a polite word to a kill that works."""

from typing import TYPE_CHECKING, Any

from ._core import listening as _listening
from ._core.blocks import mask
from ._core.delivery import Delivery, Fate
from ._core.factory import create_task, eager_task_factory, install, task_factory
from ._core.kill import abandoned_count
from ._core.native import implementation
from ._core.task import Task
from ._run.runner import run
from ._stop.stop import stop
from ._stop.time import extend, time_left
from .ladder import Ladder, Rung
from .report import ChildReport, Report, RungReport, TaskReport, ThreadReport
from .signals import Interrupt, Kill, Terminate
from .threads import checkpoint, defer, to_thread

if TYPE_CHECKING:
    from ._core.asking import requested, until, wait_requested
    from ._core.blocks import accept, catch, on_signal
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
    from .signals import Drain, Signal

__version__ = "0.1.0"

__all__ = [
    "ChildReport",
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
    "__version__",
    "abandoned_count",
    "accept",
    "catch",
    "checkpoint",
    "create_task",
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
    "until",
    "wait_requested",
]


def __getattr__(name: str) -> Any:
    """What listens for a Drain is handed out here, and that is noted: nobody has to wait for who cannot hear (R26).

    What has to do with processes is imported when it is first used: a program without any does not wait for it.
    """
    if name in _listening.NAMES:
        from . import signals
        from ._core import asking, blocks

        _listening.note(name)
        home = next(module for module in (blocks, asking, signals) if hasattr(module, name))
        return getattr(home, name)
    if name in __all__:
        from . import processes

        return getattr(processes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
