"""The error of a job that a signal has ended."""

from __future__ import annotations

from ..signals import Signal
from ._wire import decoded, encoded


class Stopped(RuntimeError):
    """A signal ended a job on a cluster, or stopped it before it began. Its Dask future raises this.

    `signal` is the signal with its class and reason; `None` for a plain `cancel()`. `key` is the job's key, `worker`
    the address it ran at, and `began` whether it had begun. It is not a `CancelledError`, because the code that waits
    for the job has not been cancelled.

    Example::

        job = sigtask.dask.submit(client, asyncio.sleep, 3600)
        sigtask.dask.send_signal(job, Terminate("closing"))
        try:
            job.result()
        except sigtask.dask.Stopped as error:
            print(error.signal.reason)  # closing

    .. versionadded:: 0.1.0
    """

    def __init__(self, key: str, signal: Signal | None, worker: str, *, began: bool = True) -> None:
        super().__init__(key, signal, worker)
        self.key = key
        self.signal = signal
        self.worker = worker
        self.began = began

    def __str__(self) -> str:
        how = "a plain cancel()" if self.signal is None else f"{type(self.signal).__name__}: {self.signal}"
        if not self.began:
            return f"the job {self.key} was told to stop before it began, and was not started at {self.worker}: {how}"
        return f"the job {self.key} at {self.worker} was ended by {how}"

    def __reduce__(self) -> tuple[object, ...]:
        signal = None if self.signal is None else encoded(self.signal)
        return _revive, (self.key, signal, self.worker, self.began)


def _revive(key: str, signal: dict[str, object] | None, worker: str, began: bool) -> Stopped:
    return Stopped(key, None if signal is None else decoded(signal), worker, began=began)


Stopped.__module__ = "sigtask.dask"
