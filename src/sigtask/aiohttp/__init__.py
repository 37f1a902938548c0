"""Signals for the handlers of an aiohttp server.

Set up the application, and run it::

    from sigtask.aiohttp import run_app, setup

    app = web.Application()
    setup(app)
    run_app(app)
"""

from ..serving._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ._setup import on_disconnect, run_app, run_to_end, setup

__all__ = [
    "ClientDisconnected",
    "DeadlineExceeded",
    "ServerStopping",
    "on_disconnect",
    "run_app",
    "run_to_end",
    "setup",
]
