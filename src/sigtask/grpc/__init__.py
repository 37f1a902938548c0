"""Signals for the handlers of a gRPC server on asyncio.

Add the interceptor, and stop the server by it::

    from sigtask.grpc import SignalInterceptor

    signals = SignalInterceptor()
    server = grpc.aio.server(interceptors=[signals])
    ...
    await signals.stop(server)
"""

from ..serving._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ._interceptor import SignalInterceptor

__all__ = ["ClientDisconnected", "DeadlineExceeded", "ServerStopping", "SignalInterceptor"]
