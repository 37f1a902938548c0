"""The control of one process: its loops, and the socket, which is opened with the first loop."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

from ._answers import Context
from ._book import Book
from ._server import Server

log = logging.getLogger("sigtask")


class Control:
    """Loops that can be seen and controlled from outside.

    `stopping()` reports how the stop of the program goes, `children()` which processes it has started; `start(thread)`
    starts a thread that must not get OS signals.
    """

    def __init__(
        self,
        stopping: Callable[[], dict[str, Any] | None] = lambda: None,
        children: Callable[[], list[tuple[int, str]]] = list,
        start: Callable[[threading.Thread], object] = threading.Thread.start,
    ) -> None:
        self._books: dict[ref[AbstractEventLoop], Book] = {}
        self._lock = threading.Lock()
        self._start = start
        self._server: Server | None = None
        self._context = Context(self.books, lambda: None, stopping, children)
        self.why_not: str | None = None
        """Why there is no socket, where there should be one."""
        _controls.add(self)

    def attach(self, loop: AbstractEventLoop) -> None:
        """Add a loop. The first one opens the socket."""
        with self._lock:
            for known, book in tuple(self._books.items()):
                if (one := known()) is None or one.is_closed():
                    book.close()
                    del self._books[known]
            if ref(loop) not in self._books:
                self._books[ref(loop)] = Book(loop, next(_loop_numbers), _numbers)
            if self._server is None and self.why_not is None:
                self._open()

    def _open(self) -> None:
        if (other := active()) is not None:  # of a run before this one, which a signal has ended
            self._books.update(other._books)
            other._books = {}
            other.close()
        try:
            self._server = Server(self._context, self._start)
        except (OSError, RuntimeError) as error:  # RuntimeError: the interpreter is at its end, and starts no thread
            self.why_not = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            log.warning("no control socket, so `sigtask ps` will not find this process: %s", self.why_not)

    def books(self) -> list[Book]:
        """The loops that are open."""
        return [book for known, book in tuple(self._books.items()) if (one := known()) is not None and _is_open(one)]

    @property
    def path(self) -> Path | None:
        """The socket; `None` while there is none."""
        return None if self._server is None else self._server.path

    def close(self) -> None:
        """Remove the socket, and stop recording."""
        _controls.discard(self)
        with self._lock:
            server, self._server = self._server, None
            for book in self._books.values():
                book.close()
            self._books.clear()
        if server is not None:
            server.close()

    def forget_in_fork(self) -> None:
        """After a fork, in the child: the socket, its thread and the loops belong to the parent."""
        self._lock = threading.Lock()
        server, self._server = self._server, None
        self._books.clear()
        if server is not None:
            server.forget_in_fork()


def _is_open(loop: AbstractEventLoop) -> bool:
    return not loop.is_closed()


_controls: set[Control] = set()
_loop_numbers, _numbers = itertools.count(1), itertools.count(1)


def active() -> Control | None:
    """The control that has this process's socket; `None` if there is none."""
    return next((control for control in tuple(_controls) if control.path is not None), None)


def _close_all() -> None:
    for control in tuple(_controls):
        control.close()


def _forked() -> None:
    for control in tuple(_controls):
        control.forget_in_fork()


def remove_sockets() -> None:
    """Remove the sockets: the process is about to be ended by force."""
    for control in tuple(_controls):
        if control.path is not None:
            control.path.unlink(missing_ok=True)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
