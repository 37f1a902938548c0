"""How a job that a signal ended is told to whoever waits for it."""

from __future__ import annotations

from ..signals import Signal
from ._wire import decoded, encoded


class Stopped(RuntimeError):
    """A job on a cluster was ended by a signal, or told to stop before it began: what its Dask future raises.

    `signal` is the signal, with its class and reason; `None` for a job that was cancelled without one. `key` is the
    job's key and `worker` the address it ran at. It is no `CancelledError`: whoever waits for a job elsewhere has not
    been cancelled, and Dask would take one for a request of its own.
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
