"""What a route can choose about itself: what happens when its client goes away."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..serving._reasons import OnDisconnect, check_on_disconnect
from ._exchange import CURRENT, Exchange

_F = TypeVar("_F", bound=Callable[..., Any])


def on_disconnect(what: OnDisconnect) -> Callable[[_F], _F]:
    """Decorate a route: decide what its handler gets when its client goes away.

    Put it below the framework's own decorator. Outside a request, and without the middleware, it does nothing.

    Args:
        what: `"throw"` throws `Interrupt(ClientDisconnected(...))` into the handler. `"ask"` lets it ask, by
            `requested(ClientDisconnected)`. `"run_to_end"` tells it nothing.

    Raises:
        ValueError: For any other word.

    Example::

        @on_disconnect("ask")
        async def report(request): ...

    .. versionadded:: 0.2.0
    """
    check_on_disconnect(what)

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        async def handler(*args: Any, **kwargs: Any) -> Any:
            _say(what, asyncio.current_task())
            return await function(*args, **kwargs)

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:  # frameworks run it in a thread
            _say(what, None)
            return function(*args, **kwargs)

        chosen: Any = handler if inspect.iscoroutinefunction(function) else plain
        return chosen  # type: ignore[no-any-return]  # it has the function's own signature

    return decorate


def _say(what: OnDisconnect, task: asyncio.Task[Any] | None) -> None:
    exchange = CURRENT.get(None)
    if exchange is None:
        return
    if task is None:
        exchange.loop.call_soon_threadsafe(exchange.set_on_disconnect, what, None)
    else:
        exchange.set_on_disconnect(what, task)


run_to_end = on_disconnect("run_to_end")
"""Decorator for a route: its handler is told nothing when its client goes away."""


class Disconnection:
    """Tells whether the client has gone: `if gone:`, which also works in a thread, or `await gone.wait()`.

    `disconnection()` gives the one of the current request.

    Example::

        async def report(request):
            gone = await disconnection()
            await asyncio.wait_for(gone.wait(), 60)

    .. versionadded:: 0.2.0
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __bool__(self) -> bool:
        return self._exchange.gone is not None

    async def wait(self) -> None:
        """Wait until the client has gone. Cancelled, it has no effect."""
        exchange = self._exchange
        if exchange.departed is None:
            exchange.departed = asyncio.Event()
        if exchange.gone is None:
            await exchange.departed.wait()


async def disconnection() -> Disconnection:
    """Get the `Disconnection` of this request. From now on, its handler is not interrupted when the client goes away.

    It works as a FastAPI dependency: `gone: Annotated[Disconnection, Depends(disconnection)]`. It does not wait, so it
    cannot be cancelled.

    Raises:
        RuntimeError: When the app has no `SignalMiddleware`.

    Example::

        async def report(request):
            gone = await disconnection()
            while not gone:
                await asyncio.sleep(1)

    .. versionadded:: 0.2.0
    """
    exchange = CURRENT.get(None)
    if exchange is None:
        raise RuntimeError("this app has no SignalMiddleware; add it: app.add_middleware(SignalMiddleware)")
    exchange.set_on_disconnect("ask", None)
    return Disconnection(exchange)


for _thing in (on_disconnect, Disconnection, disconnection):
    _thing.__module__ = "sigtask.asgi"
