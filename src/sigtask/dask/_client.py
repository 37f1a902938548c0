"""The client's side: the functions that a program calls."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias
from uuid import uuid4

from dask.base import annotate
from dask.tokenize import TokenizationError
from dask.utils import funcname
from distributed import Client, Future

from .._core.stock import current
from .._stop.time import at_work_on
from ..ladder import DEFAULT, KILL_GRACE, Ladder
from ..report import Report
from ..signals import KILL_LEVEL, Signal, Terminate, as_signal
from . import _distributed as dask
from ._reports import answered, unanswered
from ._scheduler import LAG, SchedulerSide
from ._wire import WIRE, Message, encoded, ladder_sent
from ._worker import NAME, host, is_async

INSTALL_WITHIN = 20.0
"""Seconds that a cluster has to take sigtask's plugins."""
FORCE_WITHIN = 15.0
"""Seconds on top of a ladder and its limit: for the way, late reports, and nannies that are asked to kill."""

Futures: TypeAlias = "Future[Any] | Iterable[Future[Any]]"
_installing: weakref.WeakKeyDictionary[Client, asyncio.Task[None]] = weakref.WeakKeyDictionary()


# -- plugins ----------------------------------------------------------------------------------------------------------


def install(client: Client, *, retire: Ladder | None = None) -> Any:
    """Install sigtask's plugins on the cluster of this client. `await` it for an asynchronous client.

    `submit`, `map`, `stop` and `send_signal` do it when they are first called. Call it yourself to see errors at once,
    and to drain workers that retire. Workers that join later get the plugin, too. A second call does nothing.

    Args:
        client: A `distributed.Client`.
        retire: The ladder for jobs of a worker that retires (scaled down, end of its lifetime, or SIGTERM), from now on
            and for the whole cluster. Default: drain 10 s, terminate 5 s, kill.

    Raises:
        TypeError: When `retire` is not a ladder.
        RuntimeError: When the scheduler cannot load sigtask, or has an incompatible version.
        TimeoutError: When the cluster does not answer within 20 seconds.

    Example::

        sigtask.dask.install(client, retire=Ladder.parse("drain=60s,kill"))

    .. versionadded:: 0.1.0
    """
    if retire is not None and not isinstance(retire, Ladder):
        raise TypeError(f"retire is {retire!r}; give a sigtask.Ladder, for example Ladder.parse('drain=10s,kill')")
    return dask.run(client, _installed_with, client, retire)


async def _installed_with(client: Client, retire: Ladder | None) -> None:
    await _installed(client)
    async with asyncio.timeout(INSTALL_WITHIN):
        await dask.ask_scheduler(client, "sigtask_retire_by", ladder=None if retire is None else ladder_sent(retire))


async def _installed(client: Client) -> None:
    task = _begin_to_install(client)
    await asyncio.wait([task])  # not awaited itself: whoever waits here may be cancelled, and others wait, too
    task.result()


def _begin_to_install(client: Client) -> asyncio.Task[None]:
    task = _installing.get(client)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = _installing[client] = asyncio.get_running_loop().create_task(_install(client), name="sigtask-install")
        task.add_done_callback(partial(_installation_ended, client))
    return task


def _installation_ended(client: Client, task: asyncio.Task[None]) -> None:
    """Report an error even if nobody waits for the installation, unless the client has closed meanwhile."""
    if not task.cancelled() and (error := task.exception()) is not None and client.status == "running":
        context = {"message": "sigtask's plugins could not be installed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)


async def _install(client: Client) -> None:
    where = f"the scheduler at {client.scheduler.address}" if client.scheduler is not None else "the scheduler"
    async with asyncio.timeout(INSTALL_WITHIN):
        try:
            await dask.bring_plugin(client, SchedulerSide(), NAME)
            hello = await dask.ask_scheduler(client, "sigtask_hello")
        except (ImportError, AttributeError) as error:
            raise RuntimeError(f"{where} could not load sigtask ({error}); install the same version there") from error
    if hello["wire"] != WIRE:
        raise RuntimeError(
            f"{where} has another version of sigtask, with messages of kind {hello['wire']}, and this program's are "
            f"of kind {WIRE}; install the same version on both"
        )


def _prepare(client: object, call: str) -> Client:
    if not isinstance(client, Client):
        raise TypeError(f"{call} takes a distributed.Client first, got {client!r}")
    if client.asynchronous:
        _begin_to_install(client)
    else:
        dask.run(client, _installed, client)
    return client


# -- starting jobs ----------------------------------------------------------------------------------------------------


def submit(
    client: Client, fn: Callable[..., Any], /, *args: Any, isolated: bool = False, key: str | None = None, **kwargs: Any
) -> Future[Any]:
    """Start `fn(*args, **kwargs)` as a job on the cluster, and return its Dask future.

    An async function runs as a task in its worker's loop; a plain one runs in a thread, or, with `isolated`, in a
    process of its own, which a Kill can end without its neighbours. All of sigtask works in a job. When a signal ends
    it, the future raises `Stopped`.

    A job runs at most once. If its worker is lost, it is not restarted; the future raises Dask's `KilledWorker`.
    `Future.cancel()`, a future that nobody holds any more, and the loss of the client send the job a `Terminate`.

    Args:
        client: A `distributed.Client`.
        fn: The function to call.
        args: Its arguments.
        isolated: Run a plain function in a process of its own.
        key: The name of the job, which must be new. Default: made from the function's name.
        kwargs: Options of Dask's `Client.submit` (`workers`, `resources`, `priority`, `retries`), and arguments of
            `fn`.

    Raises:
        TypeError: For something that cannot be called, an async function with `isolated`, and what cannot be pickled.
        RuntimeError: As `install`.

    Example::

        future = sigtask.dask.submit(client, pow, 2, 10)
        print(future.result())  # 1024

    .. versionadded:: 0.1.0
    """
    _check(fn, isolated, "submit()")
    _prepare(client, "submit()")
    key = key or f"{funcname(fn)}-{uuid4().hex}"
    with _pickling(fn, "submit()"), annotate(sigtask=WIRE):
        return client.submit(host, key, isolated, fn, *args, key=key, pure=False, **kwargs)


def map(  # noqa: A001  # as the client's own is called
    client: Client, fn: Callable[..., Any], /, *iterables: Iterable[Any], isolated: bool = False, **kwargs: Any
) -> list[Future[Any]]:
    """Start a job for each item of the iterables, taken side by side, and return their futures in order. See `submit`.

    Args:
        client: A `distributed.Client`.
        fn: The function to call.
        iterables: One for each argument of `fn`, all of the same length.
        isolated: As for `submit`.
        kwargs: As for `submit`.

    Raises:
        TypeError: As `submit`.
        ValueError: Without an iterable, and when they differ in length.
        RuntimeError: As `install`.

    Example::

        futures = sigtask.dask.map(client, pow, [2, 3], [10, 2])
        print(client.gather(futures))  # [1024, 9]

    .. versionadded:: 0.1.0
    """
    _check(fn, isolated, "map()")
    if not iterables:
        raise ValueError("map() takes at least one iterable; to start a single job, use submit()")
    columns = [list(some) for some in iterables]
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"map() takes iterables of one length, got {', '.join(str(len(some)) for some in columns)}")
    _prepare(client, "map()")
    count, name = len(columns[0]), funcname(fn)
    if not count:
        return []
    keys = [f"{name}-{uuid4().hex}" for _ in range(count)]
    with _pickling(fn, "map()"), annotate(sigtask=WIRE):
        futures: list[Future[Any]] = client.map(
            host, keys, [isolated] * count, [fn] * count, *columns, key=keys, pure=False, **kwargs
        )
    return futures


@contextmanager
def _pickling(fn: object, call: str) -> Iterator[None]:
    try:
        yield
    except TokenizationError as error:  # what older versions of Dask say of what does not pickle
        raise TypeError(f"{call}: Could not serialize {fn!r} or what it is given: {error}") from error


def _check(fn: object, isolated: bool, call: str) -> None:
    if not callable(fn):
        hint = "; give the function itself, not what it returns" if inspect.isawaitable(fn) else ""
        raise TypeError(f"{call} takes a function to call, got {fn!r}{hint}")
    if isolated and is_async(fn):
        raise TypeError(
            f"{call}: {fn!r} is async, and isolated=True is for plain functions; "
            f"leave isolated out, or await sigtask.to_process() in it for the part that may need force"
        )


# -- stopping them ----------------------------------------------------------------------------------------------------


async def stop(
    futures: Futures,
    *,
    ladder: Ladder | None = None,
    reason: object = None,
    timeout: float | None = None,  # noqa: ASYNC109  # what is not known by then is reported, not raised
) -> Report:
    """Stop these jobs wherever they run, as `sigtask.stop` does with tasks, and report what happened.

    Each worker runs the ladder at the same time. The `note` of each row names the worker. A job that has not started
    never does. A Kill ends the task; if that leaves a thread or a blocked loop behind, the nanny kills the worker
    process, and the note names the other jobs that this ended. A job that nobody has seen dead is `still running` in
    the report, with "not confirmed dead" in its note. When the scheduler does not answer, the report says so for each
    job.

    If `stop()` itself is cancelled, it raises at once, and the jobs keep the signals they were sent.

    Args:
        futures: One Dask future or an iterable of them, all of one client.
        ladder: Default: drain 10 s, terminate 5 s, kill.
        reason: The `reason` of the signals.
        timeout: The most seconds it takes. Default: 15 more than the ladder and its limit.

    Returns:
        A `sigtask.Report`.

    Raises:
        TypeError: For something that is not a Dask future or a ladder.
        ValueError: Without futures, for futures of several clients, and for a timeout shorter than the ladder.
        RuntimeError: As `install`.

    Example::

        async def main():
            job = sigtask.dask.submit(client, asyncio.sleep, 3600)
            await sigtask.dask.stop(job, reason="closing")

    .. versionadded:: 0.1.0
    """
    jobs = _futures(futures, "stop()")
    if ladder is not None and not isinstance(ladder, Ladder):
        raise TypeError(f"ladder is {ladder!r}; give a sigtask.Ladder, for example Ladder.parse('terminate=5s,kill')")
    ladder = ladder or DEFAULT
    asker = current()
    if outer := at_work_on(asker):
        ladder = ladder.within(min(stopping.left for stopping in outer))
    if timeout is None:
        timeout = ladder.total + ladder.limit + FORCE_WITHIN
    elif timeout < ladder.total + LAG:
        raise ValueError(
            f"stop(timeout={timeout!r}) is shorter than the ladder {ladder}, which may take {ladder.total:g} s and "
            f"{LAG:g} s for the answer; shorten the ladder, or leave the timeout out"
        )
    keys = list(dict.fromkeys(str(job.key) for job in jobs))
    request = _request(keys, ladder, reason, None if asker is None else asker.get_name())
    client: Any = jobs[0].client
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(timeout):
            answer = await _in_loop_of(client, partial(_ask, client, request))
    except (OSError, TimeoutError) as error:
        seconds = asyncio.get_running_loop().time() - began
        return unanswered(keys, ladder, reason, seconds, error)
    return answered(keys, ladder, reason, asyncio.get_running_loop().time() - began, answer)


def send_signal(futures: Futures, sig: Signal | type[Signal]) -> None:
    """Send these jobs a signal, wherever they run. It returns at once, and does not tell what became of the signal.

    A job takes it as a task does. One that has not started gets it on its start, and then never runs, unless it is a
    Drain. A Kill is sent as by `stop` with a ladder of one rung. Signals of one client arrive in order.

    Args:
        futures: One Dask future or an iterable of them, all of one client.
        sig: A signal class, or an instance.

    Raises:
        TypeError: For something that is not a Dask future or a signal.
        ValueError: Without futures, and for futures of several clients.
        RuntimeError: As `install`.

    Example::

        job = sigtask.dask.submit(client, asyncio.sleep, 3600)
        sigtask.dask.send_signal(job, Terminate("closing"))

    .. versionadded:: 0.1.0
    """
    jobs = _futures(futures, "send_signal()")
    signal = as_signal(sig, "send_signal()")
    client = _prepare(jobs[0].client, "send_signal()")
    keys = list(dict.fromkeys(str(job.key) for job in jobs))
    message: Message = {"op": "sigtask-signal", "keys": keys, "signal": encoded(signal)}
    if signal.level >= KILL_LEVEL:
        sender = None if signal.sender is None else str(signal.sender)
        message = _request(keys, Ladder((type(signal), KILL_GRACE)), signal.reason, sender) | {"answer": False}
    installing = _installing[client]
    if installing.done():
        dask.send_from_client(client, message)
    else:
        installing.add_done_callback(partial(_send_after, client, message))


def _send_after(client: Client, message: Message, installing: asyncio.Task[None]) -> None:
    if not installing.cancelled() and installing.exception() is None:
        dask.send_from_client(client, message)


def _request(keys: list[str], ladder: Ladder, reason: object, sender: str | None) -> Message:
    kill = next((rung.name for rung in ladder.rungs if rung.signal.level >= KILL_LEVEL), None)
    return {
        "op": "sigtask-stop",
        "answer": True,
        "number": uuid4().hex,
        "keys": keys,
        "ladder": ladder_sent(ladder),
        "total": ladder.total,
        "kill": kill,
        "reason": encoded(Terminate(reason, sender=sender)),
        "sender": sender,
    }


async def _ask(client: Client, request: Message) -> Message:
    """In the client's loop: send the request behind the jobs that were submitted before, and wait for the answer."""
    await _installed(client)
    dask.send_from_client(client, request)
    try:
        return await dask.ask_scheduler(client, "sigtask_answer", number=request["number"], client=client.id)
    except asyncio.CancelledError:
        dask.send_from_client(client, {"op": "sigtask-leave", "number": request["number"]})
        raise


async def _in_loop_of(client: Client, call: Callable[[], Any]) -> Any:
    loop = dask.loop_of(client)
    if loop is asyncio.get_running_loop():
        return await call()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), loop))


def _futures(futures: object, call: str) -> list[Future[Any]]:
    given: Any = [futures] if isinstance(futures, Future) else futures
    try:
        found = list(given)
    except TypeError:
        raise TypeError(f"{call} takes Dask futures, got {futures!r}") from None
    for one in found:
        if not isinstance(one, Future):
            raise TypeError(f"{call} takes Dask futures, got {one!r}; sigtask.dask.submit() gives one")
    if not found:
        raise ValueError(f"{call} needs at least one future")
    if any(one.client is not found[0].client for one in found):
        raise ValueError(f"{call} takes futures of one client; call it once for each client")
    return found


for _thing in (install, map, send_signal, stop, submit):
    _thing.__module__ = "sigtask.dask"
