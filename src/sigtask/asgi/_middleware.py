"""`SignalMiddleware`: an ASGI app whose requests take signals."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import Any

from .._core.factory import install
from ..ladder import Ladder
from ..serving._in_flight import InFlight
from ..serving._os_signals import StopSignals
from ..serving._reasons import OnDisconnect, ServerStopping, check_on_disconnect
from ._deadlines import BadDeadline, Deadlines
from ._exchange import App, Message, Patience, Receive, Scope, Send, Service
from ._http import HttpExchange, answer
from ._websocket import WebSocketExchange


class SignalMiddleware:
    """Runs each request of an ASGI 3 app in a `sigtask.Task`, and tells it when to stop and why.

    The client goes away: `Interrupt(ClientDisconnected(...))` to the handler. With `on_disconnect="ask"` it is only
    told: `requested(ClientDisconnected)`; with `"run_to_end"` it is left alone. `@on_disconnect(...)` says so for one
    route.

    The server gets SIGINT or SIGTERM: `Drain(ServerStopping(...))` to every handler, and the rest of `ladder` to those
    that go on; the default ladder if none is given, or under `sigtask run` that of the program. Responses say
    `Connection: close`; a WebSocket that is left is closed with 1012; the app's lifespan ends after the last handler.
    A request without an answer gets a 503. `ready_path` is answered by 503 from the first moment on, and with
    `drain_delay` the server itself hears of the signal so many seconds later.

    A request takes longer than `deadline` seconds, or than `timeout_header` (seconds) or `deadline_header` (Unix time)
    say: `Terminate(DeadlineExceeded(...))`, and a 504. A header that is no number or in the past is answered by 400.

    The loop gets sigtask's task factory, unless it has one, so that what handlers spawn takes signals, too.

    Raises: `TypeError` for what is no ASGI 3 app, ladder or path; `ValueError` for an unknown `on_disconnect`, and a
    time that is negative or not finite.
    """

    def __init__(
        self,
        app: App,
        *,
        on_disconnect: OnDisconnect = "throw",
        ladder: Ladder | None = None,
        drain_delay: float = 0.0,
        ready_path: str | None = None,
        deadline: float | None = None,
        timeout_header: str | None = None,
        deadline_header: str | None = None,
    ) -> None:
        _check_app(app)
        check_on_disconnect(on_disconnect)
        if not (isinstance(drain_delay, (int, float)) and 0 <= drain_delay < math.inf):
            raise ValueError(f"drain_delay={drain_delay!r}: give a number of seconds, 0 or more")
        if ready_path is not None and not (isinstance(ready_path, str) and ready_path.startswith("/")):
            raise TypeError(f"ready_path={ready_path!r}: give a path such as '/readyz'")
        self.app = app
        self._in_flight = InFlight(ladder)
        self._service = Service(app, self._in_flight, on_disconnect, Patience())
        self._signals = StopSignals(self._hear, drain_delay)
        self._ready_path = ready_path
        self._deadlines = Deadlines(deadline, timeout_header, deadline_header)
        self._begun = False

    @property
    def stopping(self) -> ServerStopping | None:
        """Why the server stops; `None` as long as it does not."""
        return self._in_flight.stopping

    def stop(self, why: str = "the server is stopping") -> None:
        """Do what is done on a SIGTERM: for a server that is told by other means. To be called in the loop.

        Called once more, it goes on to Terminate at once.
        """
        self._in_flight.begin(why)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app. Cancelled, it stops the handler by Terminate and waits for it."""
        if scope["type"] == "http":
            if not self._begun:
                self._begin()
            deadline = None
            if self._in_flight.stopping is not None and scope["path"] == self._ready_path:
                await answer(scope, send, 503, "The server is stopping.\n")
                return
            if self._deadlines.any:
                try:
                    deadline = self._deadlines.at(scope["headers"])
                except BadDeadline as error:
                    await answer(scope, send, 400, f"{error}\n")
                    return
            if (rest := HttpExchange(self._service, scope, receive, send).start(deadline)) is not None:
                await rest
        elif scope["type"] == "websocket":
            self._begin()
            if (rest := WebSocketExchange(self._service, scope, receive, send).start()) is not None:
                await rest
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def theirs() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._prepare(asyncio.get_running_loop())
            else:  # what the handlers use is there until they have ended
                await self._in_flight.ended("the server shuts down")
                self._signals.leave()
            return message

        await self.app(scope, theirs, send)

    def _begin(self) -> None:
        """The first request: by now the server has set its handlers for signals."""
        if not self._begun:
            self._begun = True
            self._prepare(asyncio.get_running_loop())

    def _prepare(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.get_task_factory() is None:
            install(loop)
        self._signals.listen(loop)

    def _hear(self, name: str, late: bool) -> None:
        if late:
            self._in_flight.begin(name)
        else:
            self._in_flight.announce(name)


def _check_app(app: Any) -> None:
    call = app if inspect.isroutine(app) else getattr(app, "__call__", None)  # noqa: B004  # its signature is wanted
    what = "SignalMiddleware takes an ASGI 3 app, called with (scope, receive, send)"
    if isinstance(app, type) or call is None:
        raise TypeError(f"{what}; {app!r} is {'a class' if isinstance(app, type) else 'not callable'}")
    try:
        inspect.signature(call).bind({}, None, None)
    except TypeError:
        raise TypeError(f"{what}; {app!r} takes other arguments. For WSGI, use a2wsgi around it") from None
    except ValueError:
        return  # written in C, it does not say
