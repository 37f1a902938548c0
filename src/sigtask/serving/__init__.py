"""A plain TCP server with an orderly end, and what all servers have in common: why a request is stopped.

The servers' own pages are `sigtask.asgi`, `sigtask.aiohttp` and `sigtask.grpc`.
"""

from ._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ._tcp import start_server

__all__ = ["ClientDisconnected", "DeadlineExceeded", "ServerStopping", "start_server"]
