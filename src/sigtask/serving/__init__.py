"""What servers have in common: why a request is stopped, and the handlers that are at work.

The servers' own pages are `sigtask.asgi`, `sigtask.aiohttp` and `sigtask.grpc`.
"""

from ._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping

__all__ = ["ClientDisconnected", "DeadlineExceeded", "ServerStopping"]
