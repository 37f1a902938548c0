"""Signals for the requests of an ASGI app: FastAPI, Starlette, Litestar, or any other.

Add the middleware::

    from sigtask.asgi import SignalMiddleware

    app = FastAPI()
    app.add_middleware(SignalMiddleware)

It needs no other library, and works under any ASGI server on asyncio, with or without `sigtask run`.
"""

from ..serving._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ._middleware import SignalMiddleware
from ._routes import Disconnection, disconnection, on_disconnect, run_to_end

__all__ = [
    "ClientDisconnected",
    "DeadlineExceeded",
    "Disconnection",
    "ServerStopping",
    "SignalMiddleware",
    "disconnection",
    "on_disconnect",
    "run_to_end",
]

SignalMiddleware.__module__ = __name__
