"""`SignalMiddleware`: an ASGI app whose requests take signals."""

from __future__ import annotations

import inspect
import math
from asyncio import AbstractEventLoop, get_running_loop
from typing import Any

from .._core.factory import install
from ..ladder import Ladder
from ..serving._in_flight import InFlight
from ..serving._os_signals import StopSignals
from ..serving._reasons import OnDisconnect, ServerStopping, check_on_disconnect
from ._deadlines import BadDeadline, Deadlines
from ._exchange import App, Message, Receive, Scope, Send, Service
from ._http import HttpExchange, answer
from ._patience import Patience
from ._websocket import WebSocketExchange


class SignalMiddleware:
    """Run each request of an ASGI 3 app in a `sigtask.Task`, and tell it when to stop and why.

    *The client goes away*: the handler gets `Interrupt(ClientDisconnected(...))`, unless it is itself in `receive()`,
    and so gets the message. With `on_disconnect="ask"` it can only ask, by `requested(ClientDisconnected)`, as can a
    plain `def` route, which runs in a thread; with `"run_to_end"` it gets nothing. The decorator `on_disconnect`
    decides for one route.

    *The server gets SIGINT or SIGTERM*: every handler gets `Drain(ServerStopping(...))`, and handlers that go on get
    the rest of `ladder`. Responses carry `Connection: close`. A WebSocket whose handler is ended is closed with code
    1012. A request without a response gets a 503. The app's lifespan ends after the last handler.

    *A request takes too long*, by `deadline` or by a header: its handler gets `Terminate(DeadlineExceeded(...))`, and
    the client a 504. What is done after the response has no deadline. A header that is not a number, or is in the
    past, is answered with a 400.

    The loop gets sigtask's task factory, unless it has one already, so tasks that handlers spawn take signals, too.

    Args:
        app: The ASGI app to run.
        on_disconnect: What a handler gets when its client goes away: `"throw"`, `"ask"` or `"run_to_end"`.
        ladder: For handlers when the server stops. Default: the program's ladder under `sigtask run`, else drain 10 s,
            terminate 5 s, kill.
        drain_delay: Seconds between the OS signal and the moment when the server hears of it. Readiness checks fail
            meanwhile, so a load balancer stops sending requests.
        ready_path: A path, such as `"/readyz"`, that is answered with a 503 as soon as the OS signal arrives.
        deadline: Seconds that a request may take. Default: no limit.
        timeout_header: A request header with the seconds that it may take.
        deadline_header: A request header with the Unix time at which it must be done.

    Raises:
        TypeError: For something that is not an ASGI 3 app, a ladder or a path.
        ValueError: For an unknown `on_disconnect`, and for a time that is negative or not finite.

    Example::

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

        app = SignalMiddleware(app, deadline=30, ready_path="/readyz")

    .. versionadded:: 0.2.0
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
        self._ladder, self._drain_delay = ladder, drain_delay
        self._on_disconnect: OnDisconnect = on_disconnect
        self._ready_path = ready_path
        self._deadlines = Deadlines(deadline, timeout_header, deadline_header)
        self._begun_in: AbstractEventLoop | None = None
        self._serve_in(None)

    @property
    def stopping(self) -> ServerStopping | None:
        """Why the server is stopping; `None` while it is not."""
        return self._in_flight.stopping

    def stop(self, why: str = "the server is stopping") -> None:
        """Start to stop, as on a SIGTERM, for a server that is told by other means. Call it in the loop.

        Called a second time, it goes to Terminate at once.

        Args:
            why: The text of the `ServerStopping` that handlers get as the reason.
        """
        if (loop := get_running_loop()) is not self._loop:
            self._serve_in(loop)
        self._in_flight.begin(why)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection. If cancelled, it terminates the handler and waits for it."""
        if scope["type"] == "http":
            if self._begun_in is not get_running_loop():
                self._begin()
            deadline = None
            if self._in_flight.stopping is not None and _path(scope) == self._ready_path:
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
            if self._begun_in is not get_running_loop():
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
                self._prepare(get_running_loop())
            else:  # what the handlers use is there until they have ended
                await self._in_flight.ended("the server shuts down")
                self._signals.leave()
            return message

        await self.app(scope, theirs, send)

    def _begin(self) -> None:
        """The first request in this loop: by now the server has set its handlers for signals."""
        self._begun_in = loop = get_running_loop()
        self._prepare(loop)

    def _serve_in(self, loop: AbstractEventLoop | None) -> None:
        """Begin anew: in each loop runs another server, or another test."""
        self._loop = loop
        self._in_flight = InFlight(self._ladder)
        self._service = Service(self.app, self._in_flight, self._on_disconnect, Patience())
        self._signals = StopSignals(self._hear, self._drain_delay)

    def _prepare(self, loop: AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._serve_in(loop)
        if loop.get_task_factory() is None:
            install(loop)
        self._signals.listen(loop)

    def _hear(self, name: str, late: bool) -> None:
        if late:
            self._in_flight.begin(name)
        else:
            self._in_flight.announce(name)


def _path(scope: Scope) -> str:
    """Without the prefix that a proxy has taken away and the server has put back (uvicorn's `--root-path`)."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


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
