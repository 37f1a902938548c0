"""A plain TCP server that stops in order, and the reasons why a request is stopped, common to all servers.

For other servers see `sigtask.asgi`, `sigtask.aiohttp` and `sigtask.grpc`.
"""

from ._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ._tcp import start_server

__all__ = ["ClientDisconnected", "DeadlineExceeded", "ServerStopping", "start_server"]
