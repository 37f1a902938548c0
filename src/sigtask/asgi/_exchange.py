"""One request or WebSocket: the task that handles it, and the line to its client.

    server's task ──► start() ──► the app, in a task of ours
                         │            │ receive(), send()
                         │            ▼
                         └──► waits   Exchange ──► the server's receive(), send()

1. One reader at a time. The app's `receive()` goes straight to the server. While the app is busy elsewhere, a listener
   reads in its place, but only when nothing but a disconnect can be next (the body has been read, or there is none),
   or at most one message of a WebSocket. What it reads is handed on.
2. The body is never read before the app asks for it, and backpressure stays the server's.
3. The listener starts when the app has been busy for `PATIENCE`: what is answered at once needs none.
4. Who reads the disconnect itself is not told by a signal as well: it does what it does without us.
5. Only when the app has ended is the server's `receive()` ever cancelled by us.
6. A plain `cancel()` of the server's is a `Terminate` to the app: masks hold it, and we wait for what they protect.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from asyncio import AbstractEventLoop, CancelledError, Event, Future, Task, get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from types import CoroutineType
from typing import Any

from .._core.factory import task_factory
from .._core.task import Task as OurTask
from ..serving._context import carry_back
from ..serving._in_flight import InFlight, tell_family
from ..serving._reasons import ClientDisconnected, DeadlineExceeded, OnDisconnect, ServerStopping
from ..signals import Interrupt, Signal
from ._patience import Patience

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CURRENT: ContextVar[Exchange] = ContextVar("sigtask_exchange")
"""The request that the running code belongs to."""


def _start_later(loop: AbstractEventLoop, coro: Any, *, eager_start: bool, **options: Any) -> OurTask[None]:
    return task_factory(loop, coro, **options)


_start: Any = task_factory if sys.version_info >= (3, 12) else _start_later


@dataclass(frozen=True)
class Service:
    """What all exchanges of a middleware share."""

    app: App
    in_flight: InFlight
    on_disconnect: OnDisconnect
    patience: Patience


class Exchange:
    """What HTTP and WebSockets have in common."""

    # Slots, all of them filled: to look for what may be in the instance or in its class is dearer than to write it.
    __slots__ = (
        "_arrived",
        "_chunks",
        "_deadline",
        "_ended",
        "_held",
        "_listener",
        "_over",
        "_readers",
        "_receive",
        "_send",
        "_service",
        "_trailers",
        "_waiting",
        "departed",
        "finished",
        "gone",
        "handler",
        "loop",
        "on_disconnect",
        "readable",
        "scope",
        "started",
        "task",
    )
    loop: AbstractEventLoop
    task: OurTask[None]
    """The app's, while it is waited for."""
    _ended: Future[None]

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._service, self._receive, self._send = service, receive, send
        self.on_disconnect: OnDisconnect | None = None
        """What the route has said is to be done then; `None`: what the middleware says."""
        self.handler: Task[Any] | None = None
        """The task that runs the route's function, where that has said so (`on_disconnect`)."""
        self.gone: Message | None = None
        """The message that said that the client is gone."""
        self.departed: Event | None = None
        self.readable = self.started = self.finished = self._waiting = self._over = False
        self._held: Message | None = None
        self._arrived: Event | None = None
        self._listener: OurTask[None] | None = None
        self._chunks = self._readers = 0
        self._deadline: float | None = None
        self._trailers = False
        """Whether trailers come after the body."""

    # -- the server's task ------------------------------------------------------------------------------------------

    def start(self, deadline: float | None = None) -> Coroutine[Any, Any, None] | None:
        """Have the app handle it. When it has to wait, what is to be awaited until it has ended is given.

        The app's errors are raised. If cancelled by a plain `cancel()`, the awaitable terminates the app, waits for it,
        and raises. A signal is passed on to the app, and is consumed when the app has ended.
        """
        # Every line here is paid for by every request: `make services` measures it.
        scope, service = self.scope, self._service
        self._deadline = deadline
        token = CURRENT.set(self)
        context, before = copy_context(), copy_context()
        CURRENT.reset(token)  # the caller may be a handler of another request
        coro: Any = service.app(scope, self.receive, self.send)
        if type(coro) is not CoroutineType:
            coro = _awaited(coro)
        self.loop = loop = get_running_loop()
        # With eager_start it runs to its first wait here and now. What is done then costs nothing more.
        name = f"{scope.get('method', 'WebSocket')} {scope['path']}"
        task: OurTask[None] = _start(loop, coro, context=context, name=name, eager_start=True)
        if not task.done() or task.cancelled() or service.in_flight.stopping is not None:
            return self._go_on(task, context)
        self._over = True
        if context != before:  # quick where nothing was set: they share all they have
            carry_back(context, CURRENT)
        try:
            return task.result()
        finally:
            del task  # it has the error that is raised through here: no cycle

    async def _go_on(self, task: OurTask[None], context: Context) -> None:
        try:
            if not task.done():
                await self._wait(task)
            self._over = True
            carry_back(context, CURRENT)
            if self._service.in_flight.stopping is None and not task.cancelled():
                task.result()
            else:
                await self._finish(task)
        finally:
            del task

    async def _wait(self, task: OurTask[None]) -> None:
        self.task = task
        self._service.in_flight.add(task)
        self._ended = self.loop.create_future()
        task.add_done_callback(self._end)
        timer = None if self._deadline is None else self.loop.call_at(self._deadline, self._too_late)
        self._waiting = True
        self._get_ready_to_listen()
        try:
            await self._ended
        except CancelledError as error:
            signals = int(self._pass_on(error))
            times = 1
            while not task.done():  # here, so that this task is still seen to handle its signal
                try:
                    await asyncio.wait([task])
                except CancelledError as again:
                    signals += self._pass_on(again)
                    times += 1
            if signals < times:
                await self._finish_quietly(task)
                raise
            _consume(signals)  # a ladder's: it has got what it wanted
        finally:
            if timer is not None:
                timer.cancel()
            del self.task, task  # its context has this exchange: no cycle

    def _end(self, task: Any) -> None:
        self._service.in_flight.discard(task)
        self._over = True
        self._stop_waiting_to_listen()
        if self._listener is not None:
            self._listener.interrupt("the app has ended")
        if not self._ended.done():
            self._ended.set_result(None)

    def _pass_on(self, error: CancelledError) -> bool:
        """The server's own task got this signal or cancel: pass it on to the app; whether it was a signal."""
        if isinstance(error, Signal):
            self.task.send_signal(error)
            return True
        self._service.in_flight.end(self.task, ServerStopping("the server has cancelled the request"))
        return False

    def _too_late(self) -> None:
        if self._deadline is not None:
            self._service.in_flight.end(self.task, DeadlineExceeded("the time for this request is over"))

    async def _finish(self, task: OurTask[None]) -> None:
        """Send the client the app's last message, or one in its place."""
        ended_by = task.ended_by if task.cancelled() else None
        if ended_by is None:
            task.result()
            await self._finish_well()
        elif not self.finished:
            await self._finish_for(ended_by)

    async def _finish_quietly(self, task: OurTask[None]) -> None:
        """The same, when another error is going to be raised."""
        if task.cancelled() or task.exception() is None:
            await self._finish(task)
        else:
            told = {"message": f"{task.get_name()!r} failed while it was stopped", "exception": task.exception()}
            self.loop.call_exception_handler(told)

    async def _finish_well(self) -> None:
        """The app has returned while the server stops."""

    async def _finish_for(self, ended_by: Signal) -> None:
        """A signal has ended the app, and the client waits for a response."""
        raise NotImplementedError

    # -- the app's receive() ----------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next message: what was read ahead, or straight from the server."""
        self._stop_waiting_to_listen()
        self._readers += 1
        try:
            while self._held is None and self.gone is None:
                if self._listener is None:
                    return self._noted(await self._receive())
                await self._has_arrived().wait()
            return self._take()
        finally:
            self._readers -= 1
            self._get_ready_to_listen()

    def _take(self) -> Message:
        message, self._held = self._held, None
        if message is None:
            assert self.gone is not None
            return self.gone
        if self._arrived is not None and self.gone is None:
            self._arrived.clear()
        return message

    def _noted(self, message: Message) -> Message:
        """Look at a message on its way to the app."""
        raise NotImplementedError

    def _is_last(self, message: Message) -> bool:
        """Whether only a disconnect can come after this message, which was read ahead."""
        raise NotImplementedError

    # -- listening in the app's place -------------------------------------------------------------------------------

    def _get_ready_to_listen(self) -> None:
        if self._waiting and self._is_open() and self.is_readable():
            self._service.patience.add(self)

    def _is_open(self) -> bool:
        return not (self._over or self.finished or self._listener or self._held or self.gone or self._readers)

    def _stop_waiting_to_listen(self) -> None:
        if self._waiting:
            self._service.patience.discard(self)

    def listen(self) -> None:
        """Read in the app's place from now on."""
        if self._is_open():
            self._listener = task_factory(self.loop, self._hear(), name=f"sigtask: client of {self.task.get_name()}")

    async def _hear(self) -> None:
        try:
            while self.gone is None:
                message = await self._receive()
                if message["type"].endswith(".disconnect"):
                    self.client_gone(message)
                else:
                    self._held = message
                    self._has_arrived().set()
                    if not self._is_last(message):
                        break
        except Exception:
            self.readable = False  # the app meets that error itself, when it asks
        finally:
            self._listener = None
            self._has_arrived().set()
            if self._held is None and self.gone is None and self._arrived is not None:
                self._arrived = None  # nothing came; who waits looks again

    def _has_arrived(self) -> Event:
        if self._arrived is None:
            self._arrived = Event()
        return self._arrived

    # -- the client has gone ----------------------------------------------------------------------------------------

    def client_gone(self, message: Message) -> None:
        """The server says that the client has gone."""
        if self.gone is not None:
            return
        self.gone = message
        if self.departed is not None:
            self.departed.set()
        if not self.finished and not self._over:
            self._tell()

    def set_on_disconnect(self, what: OnDisconnect, handler: Task[Any] | None) -> None:
        """Choose what happens when the client goes; if it has gone already, do it now."""
        self.on_disconnect, self.handler = what, handler
        if self.gone is not None and not self.finished and not self._over:
            self._tell()

    def is_readable(self) -> bool:
        """Whether all that can be read is a disconnect, or one message of a WebSocket."""
        return self.readable

    def _tell(self) -> None:
        reason, client = self._why_gone(), self.scope.get("client")
        task: Any = getattr(self, "task", None) or asyncio.current_task()  # it has only just started, eagerly
        sender = None if client is None else f"client {client[0]}:{client[1]}"
        what = self.on_disconnect or self._service.on_disconnect
        if what == "throw" and self.on_disconnect is None and _is_plain(self.scope.get("endpoint")):
            what = "ask"
        if what == "throw":
            if self._readers:
                return  # the app is about to read it, and does then what it does without us
            handler = self.handler if isinstance(self.handler, OurTask) and not self.handler.done() else task
            handler.send_signal(Interrupt(reason, sender=sender))
        elif what == "ask" and isinstance(reason, ClientDisconnected):
            reason.sender = sender
            tell_family([task], lambda one: one.send_signal(reason))

    def _why_gone(self) -> Exception | ClientDisconnected:
        return ClientDisconnected("the client closed the connection")

    # -- the app's send() -------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Awaitable[None]:
        """Pass the message on to the server.

        What comes after a whole response, or after the app's end, is dropped. When the client is gone, each is an await
        at which the app can be interrupted: a server's own `send()` does not wait then.
        """
        raise NotImplementedError

    async def _send_and_turn(self, message: Message) -> None:
        await self._send(message)
        await asyncio.sleep(0)


def _is_plain(endpoint: Any) -> bool:
    """Starlette and FastAPI run this route in a thread, which goes on, and needs its dependencies until it ends."""
    return inspect.isroutine(endpoint) and not (
        inspect.iscoroutinefunction(endpoint) or inspect.isasyncgenfunction(endpoint)
    )


def _consume(signals: int) -> None:
    """They were passed on, and taken there: the requests are taken back here (R8)."""
    task = asyncio.current_task()
    assert task is not None
    for _ in range(signals):
        task.uncancel()


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
