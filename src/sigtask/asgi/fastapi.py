"""`Disconnected`: a FastAPI dependency that tells whether the client has gone. It needs FastAPI."""

from typing import Annotated

from fastapi import Depends

from ._routes import Disconnection, disconnection

__all__ = ["Disconnected"]

Disconnected = Annotated[Disconnection, Depends(disconnection)]
"""The type of a parameter: `async def report(gone: Disconnected)`. Such a handler asks `if gone:`."""
