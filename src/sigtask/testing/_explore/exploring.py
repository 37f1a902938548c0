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

from ...signals import Interrupt, Kill, Terminate
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
    signals: Sequence[Strike] | Strike = SIGNALS,
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
    """Run an async operation once for each signal at each of its awaits, and report what goes wrong.

    Each run starts anew: `setup()` makes the state, `operation(state)` runs and is sent one signal, `check(state)`
    looks at the result. For each signal in `signals`, and for each task that the operation spawns, there is one run for
    every time that the task is suspended.

    Besides a failing `check`, each of these is a failure:

    - a task still runs;
    - a timer has still to fire;
    - a lock or semaphore that can be reached from the state is held;
    - a connection is open, or the loop still watches a file;
    - the operation raised another exception, or swallowed the signal and went on (it may take an Interrupt);
    - an async generator is open, a resource is not closed, a coroutine was not awaited, an exception was not retrieved;
    - the operation did not end;
    - `operation(state)` does not pass a second time on the same state, without a signal (`reuse=False` skips this).

    What also happens without a signal does not count, nor does what contains one of the texts in `ignore`.

    The runs use event loops of their own with a jumping clock, so sleeping costs no time.

    Args:
        operation: An async function. It takes the state, or nothing when there is no `setup`.
        setup: An async function that returns the state, or an async context manager that yields it. What it does after
            its `yield` runs last.
        check: Called with the state after each run, async or not. It asserts what must hold.
        signals: The signal classes to send. `asyncio.CancelledError` stands for a plain `cancel()`.
        pairs: Also send a second, stronger signal or a plain `cancel()` at each await of the cleanup.
        late: Also send each signal as a wait ends: what is awaited is done, and the task is about to wake up. What it
            was given may be lost then.
        tasks: Which tasks get the signals: `"all"` that the operation spawns, or their numbers. 0 is its own task.
        limit: The largest number of runs.
        reuse: Run the operation once more on the same state after each run.
        ends: False for an operation that does not end by itself, such as a worker.
        ignore: A text or texts: a finding that contains one of them does not count.
        real_time: Use the real clock, for operations with real I/O and timeouts.
        only: Do only the run with this token.
        first: Do the runs with these tokens first.

    Returns:
        An `Exploration`. It is false in a condition when something failed or nothing was tried.

    Raises:
        TypeError: For an argument of the wrong type.
        ValueError: For an argument that makes no sense, such as an unknown token.
        RuntimeError: When the operation or `setup` fails, or does not end, without a signal; and inside a running loop:
            use `explore_async` there.
        AssertionError: When `check` fails without a signal.

    Example::

        async def transfer(accounts):
            accounts["tea"] -= 1
            await asyncio.sleep(0)
            accounts["coffee"] += 1

        async def setup():
            return {"tea": 1, "coffee": 0}

        def check(accounts):
            assert sum(accounts.values()) == 1, "money was lost"

        found = explore(transfer, setup=setup, check=check, signals=Terminate, reuse=False)
        print(len(found.failures), "of", found.runs)  # 1 of 1

    .. versionadded:: 0.2.0
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
    signals: Sequence[Strike] | Strike = SIGNALS,
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
    """Do what `explore` does in the running loop and by its clock, for an operation that uses objects of this loop.

    The options are those of `explore`. An operation that does not end is given 10 seconds. Timers, connections and
    files are not checked: they may belong to others in this loop. During the exploration, the
    loop makes sigtask's tasks for all callers.

    If cancelled, it kills the tasks that it has started and leaves the loop as it was.

    Raises:
        TypeError: As `explore`.
        ValueError: As `explore`.
        RuntimeError: When the operation or `setup` fails, or does not end, without a signal.
        AssertionError: When `check` fails without a signal.

    Example::

        async def pause():
            await asyncio.sleep(0.01)

        found = await explore_async(pause, signals=Terminate)
        found.assert_passed()

    .. versionadded:: 0.2.0
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
