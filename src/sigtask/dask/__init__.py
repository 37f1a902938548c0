"""Jobs on a Dask cluster under the same signals as tasks: told why, asked first, and reported as they ended.

    stop() ──one call──► scheduler ──one message a worker──► worker: the ladder runs there, on tasks
                             ▲ │                                │
    Report ◄─────────────────┘ └──► nanny: kills the process    └──► one report a worker

A job is a sigtask task on its worker's loop, so each worker's part of a ladder is an ordinary `Stopping`: what
`requested()`, `mask()`, `time_left()` and `extend()` ask of is there, and no clock time travels. A Kill ends the task
there as everywhere. Only what it leaves behind, a thread that goes on or a loop that is blocked, has its worker
process killed. `_distributed` is the one file that knows what Dask does not promise.
"""

from ._client import install, map, send_signal, stop, submit  # noqa: A004  # as Dask's own are called
from ._errors import Stopped

__all__ = ["Stopped", "install", "map", "send_signal", "stop", "submit"]
