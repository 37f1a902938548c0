"""The interceptor, and the orderly stop of its server.

gRPC cancels a handler by a plain `cancel()` when its client has cancelled or gone, when the client's deadline has
passed, and when the grace of `server.stop()` is over. The context, and `stop()` here, tell which of them it was.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped,unused-ignore]
from grpc import aio  # type: ignore[import-untyped,unused-ignore]

from .._core.task import Task
from ..ladder import Ladder
from ..serving._call import call
from ..serving._in_flight import InFlight
from ..serving._reasons import ClientDisconnected, DeadlineExceeded, ServerStopping
from ..signals import Interrupt, Terminate

Handler = Callable[[Any, Any], Any]


class SignalInterceptor(aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Run each call of a `grpc.aio` server in a `sigtask.Task`, and tell it when to stop and why.

    *The client cancels or goes away*: the handler gets `Interrupt(ClientDisconnected(...))`.

    *The client's deadline passes*: the handler gets `Terminate(DeadlineExceeded(...))`.

    *The server stops, by `stop()`*: every handler gets `Drain(ServerStopping(...))`, then the rest of `ladder`. A call
    that is ended so is answered with UNAVAILABLE.

    Put it first among the interceptors, so that the others run in the same task.

    Args:
        ladder: For handlers when the server stops. Default: drain 10 s, terminate 5 s, kill.

    Raises:
        TypeError: For something that is not a ladder.

    Example::

        import grpc

        signals = sigtask.grpc.SignalInterceptor()
        server = grpc.aio.server(interceptors=[signals])
        await signals.stop(server)

    .. versionadded:: 0.2.0
    """

    def __init__(self, *, ladder: Ladder | None = None) -> None:
        self._in_flight = InFlight(ladder)

    async def stop(self, server: aio.Server, why: str = "the server shuts down") -> None:
        """Take no new calls, and stop the calls under way by the ladder. It takes no longer than the ladder.

        If cancelled, the ladder goes on by itself.

        Args:
            server: The server this interceptor is in.
            why: The text of the `ServerStopping` that handlers get as the reason.
        """
        self._in_flight.begin(why)
        await server.stop(self._in_flight.patience)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Called by gRPC for each call.

        :meta private:
        """
        found = await continuation(handler_call_details)
        if found is None:
            return None
        streams = f"{_kind(found.request_streaming)}_{_kind(found.response_streaming)}"
        make = getattr(grpc, f"{streams}_rpc_method_handler")
        inner = self._wrapped(getattr(found, streams), handler_call_details.method)
        return make(inner, found.request_deserializer, found.response_serializer)

    def _wrapped(self, handler: Handler, name: str) -> Handler:
        if not (inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler)):
            return handler  # gRPC runs it in a thread

        async def handle(request: Any, context: Any) -> Any:
            cancelled = closing = False

            async def handled() -> Any:
                nonlocal closing
                answer = handler(request, context)
                if not inspect.isasyncgen(answer):
                    return await answer
                try:
                    async for message in answer:
                        await context.write(message)
                finally:  # its own `finally` runs here, also when the write was interrupted or has failed
                    closing = True
                    await answer.aclose()

            def on_cancel(task: Task[Any]) -> None:
                nonlocal cancelled
                cancelled = True
                if not closing:
                    task.send_signal(self._why_cancelled(context))

            task = await call(handled(), name, self._in_flight, on_cancel=on_cancel)
            ended_by = task.ended_by if task.cancelled() else None
            if ended_by is not None and not cancelled:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            return task.result()

        return handle

    def _why_cancelled(self, context: Any) -> Interrupt | Terminate:
        left = context.time_remaining()
        if left is not None and left <= 0:
            return Terminate(DeadlineExceeded("the client's deadline is over"))
        if self._in_flight.stopping is not None and not context.cancelled():
            return Terminate(ServerStopping("the server has cancelled the call"))
        return Interrupt(ClientDisconnected("the client has cancelled the call"), sender=context.peer())


def _kind(streaming: bool) -> str:
    return "stream" if streaming else "unary"


SignalInterceptor.__module__ = "sigtask.grpc"
