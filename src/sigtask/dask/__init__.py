"""Jobs on a Dask cluster that get the same signals as tasks, with one report for the whole cluster::

    stop() --one call--> scheduler --one message a worker--> worker: the ladder runs there, on tasks
                             | ^                                |
    Report <-----------------+ +--> nanny: kills the process    +--> one report a worker

A job is a sigtask task in its worker's loop, and each worker runs its part of the ladder. So `requested()`, `mask()`,
`time_left()` and `extend()` work in a job as in any task. A Kill ends the task. If that leaves a thread or a blocked
loop behind, the worker's process is killed. It needs the extra `sigtask[dask]`.
"""

from ._client import install, map, send_signal, stop, submit  # noqa: A004  # as Dask's own are called
from ._errors import Stopped

__all__ = ["Stopped", "install", "map", "send_signal", "stop", "submit"]
