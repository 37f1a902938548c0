"""`explore()` and `explore_async()`: one session, on loops of our own or in the one that runs."""

from __future__ import annotations

import asyncio
import gc
import inspect
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from ...signals import Interrupt, Kill, Signal, Terminate
from .case import Case, case_of
from .exploration import Exploration
from .lab import Guest, Lab
from .plan import Strike
from .progress import Progress
from .session import Session

SIGNALS: tuple[Strike, ...] = (Interrupt, Terminate, Kill, CancelledError)


def explore(
    operation: Callable[..., Any],
    *,
    setup: Callable[[], Any] | None = None,
    check: Callable[..., Any] | None = None,
    signals: Sequence[Strike] | type[Signal] = SIGNALS,
    pairs: bool = False,
    late: bool = False,
    tasks: Literal["all"] | int | Collection[int] = "all",
    limit: int | None = None,
    reuse: bool = True,
    ends: bool = True,
    ignore: str | Iterable[str] = (),
    real_time: bool = False,
    only: str | None = None,
    first: Iterable[str] = (),
) -> Exploration:
    """Run an operation again and again, and send it one signal at each await in turn; say what goes wrong.

    Each run begins anew: `setup()`, an async function or an async context manager, gives the state; `operation(state)`
    is an async function (`operation()` without a setup); what `setup` has after its `yield` comes last. For each of
    `signals` (`asyncio.CancelledError` is a plain `cancel()`), for each task that the operation spawns (`tasks="all"`,
    or their numbers: 0 is its own), there is a run for each time that it is suspended. With `pairs`, whatever passes
    is tried with a second, stronger signal, or a plain `cancel()`, at each await of the cleanup. With `late`, each
    signal is also sent when what is awaited is done, and the task is about to wake up: what it was given may be lost.

    After each run `check(state)`, async or not, may assert what should hold. Besides, it is a finding when: a task
    runs on; a timer is still to fire; a lock or semaphore that can be reached from the state is held; a connection is
    open, or the loop still watches a file; the operation has raised something else, or swallowed the signal and gone on
    (an Interrupt may be taken); an async generator is open, a resource not closed, a coroutine not awaited, an
    exception not retrieved; it did not end; or `operation(state)`, with no signal, does not pass once more on the same
    state (`reuse=False` leaves that out). What is found without any signal is not counted, and neither is what has one
    of the texts in `ignore` in it.

    It runs on loops of its own whose clock jumps, and costs no time: `real_time=True` for an operation with real I/O
    and timeouts. `ends=False` is for one that does not end by itself, a worker. At most `limit` runs; those whose
    tokens are in `first` are the first. `only` does the run of one token.

    Raises: `TypeError` or `ValueError` for what it cannot work with; `RuntimeError` when the operation or `setup`
    fails or does not end without a signal, and in a running loop (use `explore_async`); `AssertionError` when `check`
    fails without a signal.
    """
    _no_loop_runs()
    case = case_of(
        operation, setup=setup, check=check, signals=signals, pairs=pairs, tasks=tasks, limit=limit, reuse=reuse,
        ends=ends, real_time=real_time, ignore=ignore, late=late,
    )  # fmt: skip
    return explored(case, Session(case, first=first, only=only))


def explored(case: Case, session: Session) -> Exploration:
    """Have the session do its work, on as many loops as it needs."""
    with _collector_at_rest(), Progress(session):
        while True:
            lab = Lab(real_time=case.real_time)
            try:
                is_done = _ran(lab, lab.start_hidden(session.go(lab)))
            finally:
                session.did_io = session.did_io or lab.did_io
                _close(lab)
            if is_done:
                break
    return session.exploration(partial(_repeat, case))


def _ran(lab: Lab, work: asyncio.Task[bool]) -> bool:
    """Have the loop do that work to its end, though what is explored may call `sys.exit()`, or stop the loop."""
    while True:
        try:
            return lab.run_until_complete(work)
        except RuntimeError:
            if work.done():
                raise
        except SystemExit as error:
            if work.done() or not _is_from_a_task(error):
                raise


def _is_from_a_task(error: SystemExit) -> bool:
    """Whether it came out of a coroutine, whose task has it as well, and not out of a signal handler, say."""
    return any(frame.f_code.co_flags & inspect.CO_COROUTINE for frame, _ in traceback.walk_tb(error.__traceback__))


async def explore_async(
    operation: Callable[..., Any],
    *,
    setup: Callable[[], Any] | None = None,
    check: Callable[..., Any] | None = None,
    signals: Sequence[Strike] | type[Signal] = SIGNALS,
    pairs: bool = False,
    late: bool = False,
    tasks: Literal["all"] | int | Collection[int] = "all",
    limit: int | None = None,
    reuse: bool = True,
    ends: bool = True,
    ignore: str | Iterable[str] = (),
    only: str | None = None,
    first: Iterable[str] = (),
) -> Exploration:
    """As `explore`, in the loop that runs, by its clock: for an operation that uses what lives in this loop.

    An operation that does not end is given 10 seconds. Timers, connections and files are not looked at: nobody knows
    whose they are here. While it works, the loop makes sigtask's tasks, for everybody.
    Cancelled, it kills what it has started, and leaves the loop as it was.
    """
    case = case_of(
        operation, setup=setup, check=check, signals=signals, pairs=pairs, tasks=tasks, limit=limit, reuse=reuse,
        ends=ends, real_time=True, ignore=ignore, late=late,
    )  # fmt: skip
    session = Session(case, first=first, only=only)
    session.did_io = True
    guest = Guest()
    with _collector_at_rest(), guest.at_work():
        while not await session.go(guest):
            pass  # what could not be ended stays in the loop: there is no other
    return session.exploration(None)


def _repeat(case: Case, token: str) -> Exploration:
    _no_loop_runs()
    return explored(case, Session(case, only=token))


def _no_loop_runs() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("explore() makes loops of its own, and one is running here: use `await explore_async(...)`")


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """The garbage collector looks when it is told to, so that what it finds is known to be from the last runs."""
    was_on, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.disable()
    if not frozen:
        gc.freeze()  # what is there by now, garbage or not, is none of ours
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        if was_on:
            gc.enable()


def _close(lab: Lab) -> None:
    """Close a loop, whatever is left in it."""
    lab.set_exception_handler(lambda loop, context: None)
    lab.run_until_complete(lab.shutdown_asyncgens())
    lab.close()


for _function in (explore, explore_async):
    _function.__module__ = "sigtask.testing"
