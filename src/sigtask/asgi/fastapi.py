"""`Disconnected`: a FastAPI dependency that says whether the client is gone. Needs FastAPI."""

from typing import Annotated

from fastapi import Depends

from ._routes import Disconnection, disconnection

__all__ = ["Disconnected"]

Disconnected = Annotated[Disconnection, Depends(disconnection)]
"""`async def report(gone: Disconnected)`: never interrupted, it asks `if gone:` or `await gone.wait()`."""
