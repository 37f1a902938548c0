"""Why a request is told to stop: what stands in `signal.reason`."""

from __future__ import annotations

from ..signals import Signal


class ClientDisconnected(Signal):
    """The client went away: it closed the connection, reset the stream or closed its WebSocket.

    A handler that is interrupted finds it as the reason: `Interrupt(ClientDisconnected(...))`. A handler that is only
    to be asked is sent it as a signal of its own, below every handler's threshold: `requested(ClientDisconnected)`.
    """

    level = 15

    def __str__(self) -> str:
        return str(self.reason or "the client went away")


class ServerStopping(Exception):
    """The server is shutting down: the reason of the `Drain`, `Terminate` and `Kill` that its handlers get then."""


class DeadlineExceeded(TimeoutError):
    """The time for this request is over: the reason of the `Terminate` that its handler gets."""


for _cls in (ClientDisconnected, ServerStopping, DeadlineExceeded):
    _cls.__module__ = "sigtask.serving"
