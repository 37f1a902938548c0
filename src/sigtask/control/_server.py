"""The control socket of this process: a thread of its own, in which nobody waits for anybody.

One selector, sockets that do not block. Each client has one request at a time, whose answer is a generator
(`_answers`): it is called on while the client reads what it gave. So a client that is slow, or silent, costs its own
buffers and no more; when there are too many, the one that has been silent longest is sent away.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable, Generator
from time import monotonic, sleep
from typing import Any

from ._answers import Context, answer
from ._finding import NotFound
from ._paths import bound, own_folder, sweep
from ._peer import Peer, may_steer, peer_of
from ._protocol import LONGEST_REQUEST, BadRequest, line, parse

MOST_CLIENTS = 200
HIGH = 262_144
"""Bytes that wait for a client to read them, from which on no more is made for it."""
TICK = 0.05
"""Seconds between two looks at whether a loop has begun with what it was handed."""
LAST = 0.5
"""Seconds that all clients have to read the reports of stops with which the process ends."""
FORGET = 10.0
"""Seconds without any client, after which the rows of the last look are forgotten."""


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket, peer: Peer) -> None:
        self.socket = connection
        self.peer = peer
        self.came = bytearray()
        self.to_send = bytearray()
        self.answer: Generator[bytes | None, None, None] | None = None
        self.active_at = monotonic()
        self.is_stopping = False
        """Whether the answer is that to a stop."""
        self.ends = False
        """Whether it is sent away when it has read what it was sent."""
        self._skips = False

    def next_line(self) -> bytes | None:
        """The next request, if all of it has come. Raises: `BadRequest` for one that is too long, once."""
        at = self.came.find(b"\n")
        is_whole, was_skipping = at >= 0, self._skips
        if not is_whole and len(self.came) < LONGEST_REQUEST:
            return None
        found = bytes(self.came[:at]) if is_whole else b""
        del self.came[: at + 1 if is_whole else len(self.came)]
        self._skips = not is_whole
        if was_skipping:  # of what was too long: it has been said
            return self.next_line()
        if not is_whole or len(found) >= LONGEST_REQUEST:
            raise BadRequest(f"a request has at most {LONGEST_REQUEST} bytes")
        return found


class Server:
    """Listens, and answers, until `close()`. Raises: `OSError` where there can be no socket."""

    def __init__(self, context: Context, start: Callable[[threading.Thread], object]) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no Unix sockets")
        folder = own_folder()
        sweep(folder)
        self._listening, self.path = bound(folder)
        self._pid = os.getpid()
        self._context = context
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._clients: dict[socket.socket, Client] = {}
        self._closing = False
        self._silent_since = monotonic()
        self._keeps_rows = False
        context.wake = self.wake
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="sigtask-control", daemon=True)
        start(self._thread)

    def wake(self) -> None:
        """There is news for somebody. From any thread."""
        with contextlib.suppress(OSError):  # full: it is awake; closed: it is over
            self._waker.send(b"\0")

    def close(self) -> None:
        """Listen no more, and remove the socket; the thread is gone when this returns."""
        if self._pid == os.getpid() and self._thread is not threading.current_thread():
            self._closing = True
            self.wake()
            self._thread.join(2.0)
            self._remove()

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def forget_in_fork(self) -> None:
        """In a fork the socket is the parent's: only our ends of it are closed."""
        for end in (self._listening, self._woken, self._waker, *self._clients):
            end.close()
        self._selector.close()

    # -- in the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, events in self._selector.select(self._timeout()):
                    self._serve(key.fileobj, events)
                for client in tuple(self._clients.values()):
                    self._go_on(client)
                self._forget()
        finally:
            until = monotonic() + LAST
            for client in tuple(self._clients.values()):
                self._say_the_last(client, until)
                self._drop(client)
            for end in (self._listening, self._woken):
                end.close()
            self._selector.close()

    def _say_the_last(self, client: Client, until: float) -> None:
        """The process ends. Of a stop that is over by now, with the program's last task perhaps, the report is sent."""
        if client.is_stopping:
            while client.answer is not None and self._step(client):
                pass
            client.socket.settimeout(max(0.0, until - monotonic()))
            with contextlib.suppress(OSError):
                client.socket.sendall(client.to_send)

    def _timeout(self) -> float | None:
        if any(client.answer is not None for client in self._clients.values()):
            return TICK
        return FORGET if self._keeps_rows else None

    def _serve(self, end: Any, events: int) -> None:
        if end is self._listening:
            while self._accept():
                pass
        elif end is self._woken:
            with contextlib.suppress(BlockingIOError):
                while end.recv(4096):
                    pass
        elif (client := self._clients.get(end)) is not None:
            if events & selectors.EVENT_READ:
                self._read(client)
            if events & selectors.EVENT_WRITE and end in self._clients:
                self._write(client)

    def _accept(self) -> bool:
        """Take in who has come; whether there may be more."""
        try:
            connection, _ = self._listening.accept()
        except BlockingIOError:
            return False
        except OSError:  # this process may open no more files: they wait, and no processor is worn out by it
            sleep(TICK)
            return False
        connection.setblocking(False)
        peer = peer_of(connection)
        if not may_steer(peer):
            with contextlib.suppress(OSError):
                connection.send(line(error="this process is another user's"))
            connection.close()
            return True
        if len(self._clients) >= MOST_CLIENTS:
            self._drop(min(self._clients.values(), key=lambda client: client.active_at))
        assert peer is not None
        self._clients[connection] = Client(connection, peer)
        self._selector.register(connection, selectors.EVENT_READ)
        return True

    def _read(self, client: Client) -> None:
        try:
            data = client.socket.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.active_at = monotonic()
        client.came += data
        self._watch(client)

    def _go_on(self, client: Client) -> None:
        """Make what this client can take of its answers."""
        for _ in range(100):  # then others have their turn
            if client.socket not in self._clients or len(client.to_send) >= HIGH or client.ends:
                break
            if client.answer is None and not self._begin(client):
                break
            if not self._step(client):
                break
        if client.socket in self._clients:
            self._write(client)

    def _begin(self, client: Client) -> bool:
        """Take up the next request, if there is one."""
        try:
            if (words := client.next_line()) is None:
                return False
            request = parse(words)
            client.is_stopping = request["do"] == "stop"
            client.answer = answer(request, self._context, client.peer)
        except BadRequest as error:
            client.to_send += line(error=str(error))
        return True

    def _step(self, client: Client) -> bool:
        """One more line of the answer; whether to go on at once."""
        if client.answer is None:
            return True
        try:
            piece = next(client.answer)
        except StopIteration:
            client.to_send += line(done=True)
            client.answer = None
            return True
        except NotFound as error:
            client.to_send += line(error=str(error))
            client.answer = None
            return True
        except Exception as error:  # ours, or of foreign code that was asked for a name: this client is told
            client.to_send += line(error=f"{type(error).__name__}: {str(error)[:500]}")
            client.answer = None
            return True
        if piece is None:
            return False
        client.to_send += piece
        return True

    def _write(self, client: Client) -> None:
        if client.to_send:
            try:
                sent = client.socket.send(client.to_send)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._drop(client)
                return
            if sent:
                client.active_at = monotonic()
                del client.to_send[:sent]
                if len(client.to_send) < HIGH and (client.answer is not None or client.came):
                    self.wake()  # there may be more to be made for it
        self._watch(client)

    def _watch(self, client: Client) -> None:
        """Wait for what this client can do next. Who sends more than it is owed is not read until that is answered."""
        events = selectors.EVENT_WRITE if client.to_send else 0
        if len(client.came) < LONGEST_REQUEST:
            events |= selectors.EVENT_READ
        watched = self._selector.get_map().get(client.socket)
        if watched is None:
            if events:
                self._selector.register(client.socket, events)
        elif not events:
            self._selector.unregister(client.socket)
        elif watched.events != events:
            self._selector.modify(client.socket, events)

    def _drop(self, client: Client) -> None:
        self._clients.pop(client.socket, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()
        if client.answer is not None:
            client.answer.close()

    def _forget(self) -> None:
        """Rows are kept for who asks again."""
        now = monotonic()
        if self._clients:
            self._silent_since, self._keeps_rows = now, True
        elif self._keeps_rows and now - self._silent_since >= FORGET:
            self._keeps_rows = False
            for book in self._context.books():
                book.forget_rows()

    def __repr__(self) -> str:
        return f"<control socket {self.path}>"
