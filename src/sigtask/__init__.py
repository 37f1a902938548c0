"""Stop asyncio tasks by signals: Drain, Interrupt, Terminate and Kill, each with a reason.

`run(main())` replaces `asyncio.run(main())`; `await stop(task)` stops a task and reports how it ended.
"""

TYPE_CHECKING = False  # type checkers take it for true; to import `typing` for it would cost as much as all the rest

if TYPE_CHECKING:
    from typing import Any

    from ._core.asking import requested, until, wait_requested
    from ._core.blocks import accept, catch, mask, on_signal
    from ._core.delivery import Delivery, Fate
    from ._core.factory import create_task, eager_task_factory, install, task_factory
    from ._core.kill import abandoned_count
    from ._core.native import implementation
    from ._core.task import Task
    from ._run.runner import run
    from ._run.systemd import notify
    from ._stop.stop import stop
    from ._stop.time import extend, time_left
    from .ladder import Ladder, Rung
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
    from .report import ChildReport, Report, RungReport, TaskReport, ThreadReport
    from .signals import Drain, Interrupt, Kill, Signal, Terminate
    from .threads import checkpoint, defer, to_thread

__version__ = "0.2.0"
"""The version of sigtask."""

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
    "notify",
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

_HOMES = {
    "_core.asking": "requested until wait_requested",
    "_core.blocks": "accept catch mask on_signal",
    "_core.delivery": "Delivery Fate",
    "_core.factory": "Task create_task eager_task_factory install task_factory",  # it makes a Task ready to be made
    "_core.kill": "abandoned_count",
    "_core.native": "implementation",
    "_run.runner": "run",
    "_run.systemd": "notify",
    "_stop.stop": "stop",
    "_stop.time": "extend time_left",
    "ladder": "Ladder Rung",
    "processes": "ProcessError ProcessPool ProcessResult Program RemoteError WorkerDied open_process partial_result "
    "run_process to_process",
    "report": "ChildReport Report RungReport TaskReport ThreadReport",
    "signals": "Drain Interrupt Kill Signal Terminate",
    "threads": "checkpoint defer to_thread",
}
_home_of = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> "Any":
    """Import a name when it is first used: as PID 1, the command must handle a SIGTERM before it imports much.

    Names that listen for a Drain are never stored here, so that every use of them is noted (R26). Otherwise a Drain
    would be sent to tasks that cannot react to it.
    """
    if name not in _home_of:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_home_of[name]}"), name)
    listening = import_module(f"{__name__}._core.listening")
    if name in listening.NAMES:
        listening.note(name)
    else:
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
