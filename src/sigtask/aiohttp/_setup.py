"""The middleware, and how it learns why aiohttp has cancelled a handler.

aiohttp cancels a handler by a plain `cancel()` in two cases: its client has gone (with `handler_cancellation=True`), or
it has not ended within `shutdown_timeout`. The transport tells which of the two it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from .._core.factory import install
from .._core.handling import is_handling
from .._core.task import Task
from ..ladder import Ladder
from ..serving._call import call
from ..serving._in_flight import InFlight, tell_family
from ..serving._reasons import (
    ClientDisconnected,
    DeadlineExceeded,
    OnDisconnect,
    ServerStopping,
    check_on_disconnect,
)
from ..signals import Interrupt

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_F = TypeVar("_F", bound=Callable[..., Any])

_MARK = "_sigtask_on_disconnect"
_STARTED = "sigtask_started"


def setup(
    app: web.Application,
    *,
    on_disconnect: OnDisconnect = "throw",
    ladder: Ladder | None = None,
    deadline: float | None = None,
) -> None:
    """Run each request of this application in a `sigtask.Task`, and tell it when to stop and why.

    *The client goes away*: the handler gets `Interrupt(ClientDisconnected(...))`, or what `on_disconnect` says. The
    decorator `on_disconnect` decides for one handler. This needs `handler_cancellation=True` in aiohttp, which
    `run_app` of this module sets.

    *The server stops*: every handler gets `Drain(ServerStopping(...))`, then the rest of `ladder`. A request that is
    ended so is answered with a 503.

    *A request takes longer than `deadline`*: its handler gets `Terminate(DeadlineExceeded(...))`, and the client a 504.

    Args:
        app: The application.
        on_disconnect: What a handler gets when its client goes away: `"throw"`, `"ask"` or `"run_to_end"`.
        ladder: For handlers when the server stops. Default: drain 10 s, terminate 5 s, kill.
        deadline: Seconds that a request may take. Default: no limit.

    Raises:
        TypeError: For something that is not an application or a ladder.
        ValueError: For an unknown `on_disconnect`, and for a deadline that is not above 0.

    Example::

        from aiohttp import web

        app = web.Application()
        sigtask.aiohttp.setup(app, deadline=30)

    .. versionadded:: 0.2.0
    """
    if not isinstance(app, web.Application):
        raise TypeError(f"setup() takes an aiohttp.web.Application, got {app!r}")
    check_on_disconnect(on_disconnect)
    if deadline is not None and not (isinstance(deadline, (int, float)) and deadline > 0):
        raise ValueError(f"deadline={deadline!r}: give the seconds that a request may take, a number above 0")
    setting = _Setting(InFlight(ladder), on_disconnect, deadline)
    app.middlewares.insert(0, setting.handle)
    app.on_response_prepare.append(setting.note_start)
    app.on_shutdown.insert(0, setting.stop)
    app.on_startup.insert(0, setting.start)
    app.on_cleanup.insert(0, setting.ended)


def run_app(app: web.Application | Awaitable[web.Application], **options: Any) -> None:
    """`aiohttp.web.run_app` with `handler_cancellation=True`, so that aiohttp reports clients that go away.

    Args:
        app: The application.
        options: Other options of `aiohttp.web.run_app`.

    Example::

        from aiohttp import web

        def main():
            app = web.Application()
            sigtask.aiohttp.setup(app)
            sigtask.aiohttp.run_app(app, port=8080)

    .. versionadded:: 0.2.0
    """
    web.run_app(app, handler_cancellation=True, **options)


def on_disconnect(what: OnDisconnect) -> Callable[[_F], _F]:
    """Decorate a handler: decide what it gets when its client goes away.

    Args:
        what: `"throw"` throws `Interrupt(ClientDisconnected(...))` into the handler. `"ask"` lets it ask, by
            `requested(ClientDisconnected)`. `"run_to_end"` tells it nothing.

    Raises:
        ValueError: For any other word.

    Example::

        @sigtask.aiohttp.on_disconnect("run_to_end")
        async def pay(request): ...

    .. versionadded:: 0.2.0
    """
    check_on_disconnect(what)

    def decorate(handler: _F) -> _F:
        setattr(handler, _MARK, what)
        return handler

    return decorate


run_to_end = on_disconnect("run_to_end")
"""Decorator for a handler: it is told nothing when its client goes away."""


class _Setting:
    """The options of `setup()`, and the handlers at work."""

    def __init__(self, in_flight: InFlight, on_disconnect: OnDisconnect, deadline: float | None) -> None:
        self._in_flight, self._on_disconnect, self._deadline = in_flight, on_disconnect, deadline

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware: the outermost, so that the others run in our task, too."""

        async def handled() -> web.StreamResponse:
            return await handler(request)

        def cancelled(task: Task[Any]) -> None:
            if request.transport is None:
                self._tell(request, task)
            else:
                self._in_flight.end(task, ServerStopping("the server has cancelled the request"))

        name = f"{request.method} {request.path}"
        task = await call(handled(), name, self._in_flight, deadline=self._deadline, on_cancel=cancelled)
        error = None if task.cancelled() else task.exception()
        if error is not None and error is request.content.exception() and request.transport is None:
            raise asyncio.CancelledError  # the client went while its body was read: aiohttp has cancelled the request
        ended_by = task.ended_by if task.cancelled() else None
        if ended_by is None or request.transport is None:
            return task.result()
        if request.get(_STARTED):  # what the client has is not whole, and it is to see that
            request.transport.abort()
            return task.result()
        late = isinstance(ended_by.reason, DeadlineExceeded)
        text = "The time for this request is over.\n" if late else "The server is stopping.\n"
        response = web.Response(status=504 if late else 503, text=text)
        response.force_close()
        return response

    def _tell(self, request: web.Request, task: Task[Any]) -> None:
        what = getattr(request.match_info.handler, _MARK, self._on_disconnect)
        sender = f"client {request.remote}"
        reason = ClientDisconnected("the client closed the connection", sender=sender)
        if what == "throw":
            error = request.content.exception()
            if error is None or not is_handling(task.get_coro(), error):  # else it reads the body, and has been told
                task.send_signal(Interrupt(reason, sender=sender))
        elif what == "ask":
            tell_family([task], lambda one: one.send_signal(reason))

    async def note_start(self, request: web.Request, response: web.StreamResponse) -> None:
        request[_STARTED] = True
        if self._in_flight.stopping is not None:
            response.force_close()

    async def stop(self, app: web.Application) -> None:
        """aiohttp takes no more requests, and will now wait for those it has."""
        self._in_flight.begin("the server shuts down")

    async def start(self, app: web.Application) -> None:
        """Make tasks that handlers spawn take signals, too."""
        loop = asyncio.get_running_loop()
        if loop.get_task_factory() is None:
            install(loop)

    async def ended(self, app: web.Application) -> None:
        """Wait for the handlers before the things they use are closed."""
        await self._in_flight.ended("the server shuts down")


for _thing in (setup, run_app, on_disconnect):
    _thing.__module__ = "sigtask.aiohttp"
