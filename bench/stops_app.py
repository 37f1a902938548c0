"""The example service with a middleware of a peer's, or with none. Its own has `SignalMiddleware`."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any

api: Any = import_module("app").api


async def fenced(scope: Any, receive: Any, send: Any) -> None:
    """aiofence's middleware ends what stands in a fence: here, a report."""
    fencing = import_module("aiofence").get_current_fencing()
    with fencing.move_on_cancel() if scope.get("path") == "/report" else contextlib.nullcontext():
        await api(scope, receive, send)


which = os.environ["WHICH"]
if which == "aiofence":
    app: Any = import_module("aiofence.contrib.starlette").DisconnectMiddleware(fenced)
elif which == "fastapi_disconnect":
    app = import_module("fastapi_disconnect").CancelOnDisconnectMiddleware(api)
else:
    app = api
