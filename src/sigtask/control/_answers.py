"""Answer each request of the control socket, in generators that run in the control thread.

A generator yields lines, or `None` to be called again later. Work that must happen in a loop is handed to that loop in
slices and waited for. A loop that has not started it after `PATIENCE` counts as blocked: then its tasks are read from
this thread, and the answer says where the loop is blocked. Signals are left for the loop to send when it turns again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar

from .._core.family import descendants
from .._stop.stopping import Stopping
from ..ladder import DEFAULT
from ..report import Report, merged
from ._book import Book, Look
from ._finding import NotFound, find
from ._peer import Peer
from ._protocol import LONGEST_ANSWER, VERSION, line, rows_line
from ._sending import Sending
from ._text import clipped, said

PATIENCE = 0.5
"""Seconds in which a loop that turns begins with what it is handed."""
MOST_CHILDREN = 200
LONGEST_TEXT = 500
"""Characters of a text in a report."""
_Answer = Generator[bytes | None, None, None]
_T = TypeVar("_T")


class Call(Generic[_T]):
    """Work for a loop. Whoever takes its ticket first does it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, do: Callable[[], _T], wake: Callable[[], None]) -> None:
        self._ticket = deque([do])
        self._wake = wake
        self.results: list[_T] = []
        self.error: Exception | None = None
        loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        if (do := self.take()) is not None:
            try:
                self.results.append(do())
            except Exception as error:
                self.error = error
            self._wake()

    def take(self) -> Callable[[], _T] | None:
        """The work, for the first caller; `None` for all others."""
        try:
            return self._ticket.pop()
        except IndexError:
            return None

    @property
    def is_done(self) -> bool:
        """Whether the loop has done it."""
        return bool(self.results) or self.error is not None

    @property
    def result(self) -> _T:
        """The result. Raises: what the work raised."""
        if self.error is not None:
            raise self.error
        return self.results[0]


def _began() -> float:
    """When this process began, on the clock of `monotonic()`; now, where the system does not say."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return monotonic() - max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return monotonic()


@dataclass
class Context:
    """What the answers need to know about the process."""

    books: Callable[[], list[Book]]
    wake: Callable[[], None]
    stopping: Callable[[], dict[str, Any] | None] = lambda: None
    """How the stopping of the whole program goes; `None` while it is not being stopped."""
    children: Callable[[], list[tuple[int, str]]] = list
    """The processes that this one has started, and their commands."""
    began: float = field(default_factory=_began)


def answer(request: dict[str, Any], context: Context, peer: Peer) -> _Answer:
    """The lines of the answer, except the last. Raises: `NotFound`, and what a loop raises."""
    do = request["do"]
    if do == "ps":
        yield from _ps(context, request["fresh"], request["stacks"], request["only"])
    elif do == "send":
        yield from _send(context, request, peer)
    elif do == "stop":
        yield from _stop(context, request, peer)
    else:
        yield line(process=_process(context, family=False))


def _process(context: Context, *, family: bool) -> dict[str, Any]:
    books, stopping = context.books(), None
    with contextlib.suppress(RuntimeError):  # it is read while the loops go on: next time, then
        stopping = context.stopping()
    children = context.children()[:MOST_CHILDREN] if family else []  # to find them is to go through all processes
    return {
        "protocol": VERSION,
        "sigtask": sys.modules[__name__.partition(".")[0]].__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "command": clipped(_command(), 1000),
        "now": monotonic(),
        "began": context.began,
        "loops": len(books),
        "tasks": sum(len(book) for book in books),
        "stopping": stopping,
        "children": [{"pid": pid, "command": clipped(command)} for pid, command in children],
    }


def _command() -> str:
    """The command line, without the folders of the interpreter and of `sigtask` itself."""
    words = [os.path.basename(sys.orig_argv[0]), *sys.orig_argv[1:]] if sys.orig_argv else list(sys.argv)
    if len(words) > 1 and os.path.basename(words[1]) == "sigtask":
        words = ["sigtask", *words[2:]]
    return " ".join(words)


def _in_loop(book: Book, do: Callable[[], _T], context: Context) -> Generator[None, None, Call[_T] | None]:
    """Have the loop do it, waiting for up to `PATIENCE`; `None` when no loop could."""
    loop = book.loop()
    if loop is None or not loop.is_running():
        return None
    try:
        call = Call(loop, do, context.wake)
    except RuntimeError:  # closed meanwhile
        return None
    until = monotonic() + PATIENCE
    while not call.is_done and monotonic() < until:
        yield None
    return call


def _begun(call: Call[_T]) -> Generator[None, None, _T]:
    """Whether the loop has started it, so it will be done."""
    while not call.is_done:
        yield None
    return call.result


# -- looking ----------------------------------------------------------------------------------------------------------


def _ps(context: Context, fresh: bool, stacks: bool, only: frozenset[int] | None) -> _Answer:
    yield line(process=_process(context, family=fresh and only is None))
    for book in context.books():
        look = Look(book, fresh=fresh, stacks=stacks, only=only)
        call = yield from _in_loop(book, look.step, context)
        how, from_here = "turning", False
        if call is None:
            how, from_here = "not running", True
        elif not call.is_done and call.take() is not None:
            how, from_here = "blocked", True
        if from_here:
            look.budget = math.inf  # nobody is held up
        where = {"where": book.place(), "stack": clipped(book.stack(), 2000)} if how == "blocked" else {}
        yield line(loop={"number": book.number, "thread": clipped(book.thread), "state": how, **where})
        rows = look.step() if from_here or call is None else (yield from _begun(call))
        while rows is not None:
            yield from _in_lines(book.number, rows)
            if not from_here:
                call = yield from _in_loop(book, look.step, context)
                from_here = call is None or (not call.is_done and call.take() is not None)
            rows = look.step() if from_here or call is None else (yield from _begun(call))
        if look.stale:
            yield line(loop={"number": book.number, "stale": look.stale})


def _in_lines(number: int, rows: list[str]) -> Iterator[bytes]:
    """Split rows into lines of limited length."""
    return (rows_line(number, part) for part in _not_too_long(rows))


def _not_too_long(rows: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for row in rows:
        if size + len(row) > LONGEST_ANSWER // 4 and part:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row)
    if part:
        yield part


# -- steering ---------------------------------------------------------------------------------------------------------


def _found(context: Context, words: list[str | int]) -> Generator[None, None, dict[Book, list[Any]]]:
    """The tasks that these words name, by their loops. Raises: `NotFound`."""
    for book in context.books():
        call = yield from _in_loop(book, book.find_strangers, context)
        if call is None or (not call.is_done and call.take() is not None):
            book.find_strangers()
        else:
            yield from _begun(call)
    return find(words, context.books())


def _send(context: Context, request: dict[str, Any], peer: Peer) -> _Answer:
    found = yield from _found(context, request["tasks"])
    signal = request["signal"](request["reason"], sender=_sender("kill", peer))
    for book, targets in found.items():
        tasks = [*targets, *descendants(targets)] if request["tree"] else targets
        sending = Sending(book, tasks, signal)
        while not sending.is_over:
            call = yield from _in_loop(book, sending.step, context)
            if call is None:
                raise NotFound(f"loop {book.number} does not run: nothing can be sent there")
            if not call.is_done:  # it is left there, for when the loop turns
                names = [{"id": book.number_of(task), "name": clipped(task.get_name())} for task in tasks[:20]]
                yield line(sent=[{**one, "fate": "waiting for the loop"} for one in names], blocked=book.place())
                break
            yield from _in_parts("sent", call.result)


def _in_parts(name: str, rows: list[dict[str, Any]]) -> Iterator[bytes]:
    """Lines with some of the rows each, that are not too long; nor are the texts in a row."""
    return (f'{{"{name}":[{",".join(part)}]}}\n'.encode("ascii") for part in _not_too_long(map(_as_json, rows)))


def _as_json(row: dict[str, Any]) -> str:
    return json.dumps(_all_clipped(row), separators=(",", ":"))


def _all_clipped(facts: Any) -> Any:
    if isinstance(facts, str):
        return clipped(facts, LONGEST_TEXT)
    if isinstance(facts, dict):
        return {key: _all_clipped(value) for key, value in facts.items()}
    return [_all_clipped(one) for one in facts] if isinstance(facts, list | tuple) else facts


def _stop(context: Context, request: dict[str, Any], peer: Peer) -> _Answer:
    found = yield from _found(context, request["tasks"])
    ladder, reason, sender = request["ladder"] or DEFAULT, request["reason"], _sender("stop", peer)
    news: deque[tuple[int, str, float, int]] = deque()
    stoppings: list[Stopping] = []

    def begin(book: Book, tasks: list[Any]) -> None:
        loop = asyncio.get_running_loop()

        def on_rung(rung: Any) -> None:
            news.append((book.number, rung.name, rung.grace, len(stopping.alive)))
            context.wake()

        stopping = Stopping(loop, dict.fromkeys(tasks), ladder, reason, sender=sender, on_rung=on_rung)
        stopping.done.add_done_callback(lambda done: context.wake())
        stoppings.append(stopping)
        stopping.begin()

    try:
        for book, tasks in found.items():
            call = yield from _in_loop(book, lambda book=book, tasks=tasks: begin(book, tasks), context)  # type: ignore[misc]
            if call is None or (not call.is_done and call.take() is not None):
                raise NotFound(f"the loop is blocked at {book.place()}: nothing has been sent there")
            yield from _begun(call)
        while not all(one.done.done() for one in stoppings):
            yield _rungs(news)
        yield _rungs(news)
        yield from _report_lines(merged([one.done.result() for one in stoppings]))
    finally:
        for one in stoppings:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                one.loop.call_soon_threadsafe(_leave, one)


def _leave(stopping: Stopping) -> None:
    """The client has its report, or has gone: the targets keep what they were sent."""
    done = stopping.done
    done.cancel()
    stopping.detach()


def _rungs(news: deque[tuple[int, str, float, int]]) -> bytes | None:
    if not news:
        return None
    number, name, grace, left = news.popleft()
    return line(rung={"loop": number, "name": name, "grace": grace, "tasks": left})


def _report_lines(report: Report) -> Iterator[bytes]:
    """The report; its tasks come in lines of their own before it."""
    facts = report.to_dict()
    tasks = facts.pop("tasks")
    yield from _in_parts("report_tasks", tasks)
    yield line(report=_all_clipped(facts), text=clipped(str(report), 50_000))


def _sender(what: str, peer: Peer) -> str:
    return said(f"sigtask {what} (uid {peer.uid}{'' if peer.pid is None else f', pid {peer.pid}'})")
