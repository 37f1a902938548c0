"""What a route can say of itself: what is to be done when its client goes away."""

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
    """Decorates a route's function: from its beginning on, that is done when the client goes away.

    `"throw"`: `Interrupt(ClientDisconnected(...))` is thrown into it; `"ask"`: it is told, and may ask by
    `requested(ClientDisconnected)`; `"run_to_end"`: it is left alone. Put it below the framework's own decorator.
    Outside of a request, and without the middleware, it does nothing.

    Raises: `ValueError` for anything else.
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
"""Decorates a route's function that is left alone when its client goes away."""


class Disconnection:
    """Whether the client is gone: `if gone:`, also in a thread, and `await gone.wait()`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __bool__(self) -> bool:
        return self._exchange.gone is not None

    async def wait(self) -> None:
        """Return when the client is gone. Cancelled, nothing is lost."""
        exchange = self._exchange
        if exchange.departed is None:
            exchange.departed = asyncio.Event()
        if exchange.gone is None:
            await exchange.departed.wait()


async def disconnection() -> Disconnection:
    """The request's; from now on its client's departure is only to be asked for. A dependency for FastAPI.

    Raises: `RuntimeError` where no `SignalMiddleware` stands around the app.
    """
    exchange = CURRENT.get(None)
    if exchange is None:
        raise RuntimeError("there is no SignalMiddleware around this app: app.add_middleware(SignalMiddleware)")
    exchange.set_on_disconnect("ask", None)
    return Disconnection(exchange)


for _thing in (on_disconnect, Disconnection, disconnection):
    _thing.__module__ = "sigtask.asgi"
