"""Why a request is told to stop (`signal.reason`), and what a route chooses for a client that goes away."""

from __future__ import annotations

from typing import Literal, get_args

from ..signals import Signal

OnDisconnect = Literal["throw", "ask", "run_to_end"]


def check_on_disconnect(what: object) -> None:
    """Raises: `ValueError` for any other word."""
    if what not in get_args(OnDisconnect):
        raise ValueError(f"on_disconnect={what!r}: say 'throw', 'ask' or 'run_to_end'")


class ClientDisconnected(Signal):
    """The client went away: it closed the connection, reset the stream or closed its WebSocket.

    An interrupted handler finds it as the reason: `Interrupt(ClientDisconnected(...))`. A handler that only asks is
    sent it as a signal of level 15, which is below every handler's threshold: `requested(ClientDisconnected)`.

    Example::

        async def download(request):
            try:
                await asyncio.sleep(3600)
            except Interrupt as signal:
                assert isinstance(signal.reason, ClientDisconnected)
                raise

    .. versionadded:: 0.2.0
    """

    level = 15

    def __str__(self) -> str:
        return str(self.reason or "the client went away")


class ServerStopping(Exception):
    """The server is shutting down. It is the reason of the `Drain`, `Terminate` and `Kill` that handlers then get.

    Example::

        async def events(request):
            drain = await wait_requested(Drain)
            assert isinstance(drain.reason, ServerStopping)

    .. versionadded:: 0.2.0
    """


class DeadlineExceeded(TimeoutError):
    """The request has taken too long. It is the reason of the `Terminate` that its handler gets.

    Example::

        async def slow(request):
            try:
                await asyncio.sleep(3600)
            except Terminate as signal:
                if isinstance(signal.reason, DeadlineExceeded):
                    print("too slow:", request)
                raise

    .. versionadded:: 0.2.0
    """


for _cls in (ClientDisconnected, ServerStopping, DeadlineExceeded):
    _cls.__module__ = "sigtask.serving"
