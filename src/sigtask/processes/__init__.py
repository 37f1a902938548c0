"""Worker processes and child programs that get the same signals as the tasks that wait for them."""

from ._errors import RemoteError, WorkerDied
from ._pool import ProcessPool, to_process
from ._program import Program
from ._result import ProcessError, ProcessResult, partial_result
from ._run import open_process, run_process

__all__ = [
    "ProcessError",
    "ProcessPool",
    "ProcessResult",
    "Program",
    "RemoteError",
    "WorkerDied",
    "open_process",
    "partial_result",
    "run_process",
    "to_process",
]
