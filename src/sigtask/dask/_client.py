"""The client's side: what a program calls."""

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
    """Bring sigtask's plugins to the cluster of this client; `await` it for an asynchronous one.

    The first `submit`, `map`, `stop` or `send_signal` does it, in the background for an asynchronous client. Call it
    to know of an error at once, and to have all in place that drains workers as they go. Workers that join later get
    the plugin, too. Doing it twice does nothing.

    `retire` is the ladder for the jobs of a worker that retires, from now on and for the whole cluster: one that is
    scaled away, has reached its lifetime, or gets a SIGTERM. It is `sigtask.ladder.DEFAULT` until somebody says else.

    Raises: `TypeError` for a `retire` that is no ladder; `RuntimeError` when the scheduler cannot load sigtask, or has
    a version that does not speak with this one; `TimeoutError` when the cluster does not answer within 20 seconds.
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
    """Nobody may be waiting for it: an error is told all the same, unless the client has closed meanwhile."""
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
    """Start `fn(*args, **kwargs)` as a job on the cluster; gives Dask's future of it.

    An async function runs as a task on its worker's loop, a plain one in a thread, with `isolated` in a process of its
    own: a Kill then ends that one and no neighbour. Inside, all that sigtask has for a task, or for a function under
    `to_thread` or `to_process`, works. A signal that ends the job makes the future raise `Stopped`.

    The job runs at most once: lost with its worker, it is not started again elsewhere, and its future raises Dask's
    `KilledWorker`. `Future.cancel()`, a future that nobody holds any more, and the loss of the client are a
    `Terminate` to a job that runs. `key` names the job and must be new; what else Dask's `Client.submit` takes by
    name (`workers`, `resources`, `priority`, `retries`) goes to Dask, the rest to `fn`.

    Raises: `TypeError` for what cannot be called, for an async function with `isolated`, and for what does not pickle;
    `RuntimeError` as `install`.
    """
    _check(fn, isolated, "submit()")
    _prepare(client, "submit()")
    key = key or f"{funcname(fn)}-{uuid4().hex}"
    with _pickling(fn, "submit()"), annotate(sigtask=WIRE):
        return client.submit(host, key, isolated, fn, *args, key=key, pure=False, **kwargs)


def map(  # noqa: A001  # as the client's own is called
    client: Client, fn: Callable[..., Any], /, *iterables: Iterable[Any], isolated: bool = False, **kwargs: Any
) -> list[Future[Any]]:
    """Start a job for each item of `iterables`, taken side by side; gives their futures, in order. As `submit`.

    Raises: as `submit`; `ValueError` without an iterable, and when they differ in length.
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
    """Stop these jobs wherever they run: send each rung of `ladder` until all are done, and report what it took.

    As `sigtask.stop`, on each worker at the same time; `note` in a row of the report is the worker's address, and what
    there is to tell. A job that has not begun never does, and none is started elsewhere afterwards. A Kill ends the
    task; what it leaves behind, a thread or a loop that is blocked, ends with its worker process, which the nanny
    kills, and the note names whom that took along. What nobody has seen dead is `still running` in the report, with
    "not confirmed dead" in its note.

    It takes at most `timeout` seconds; by default 15 more than the ladder and its limit. When the scheduler does not
    answer by then, or is gone, the report says so of each job. If `stop()` itself is cancelled, the jobs stay where
    they are, with what they were sent.

    Raises: `TypeError` for what is no Dask future or ladder; `ValueError` for no future, futures of several clients,
    and a timeout that is shorter than the ladder; `RuntimeError` as `install`.
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
    """Send these jobs a signal, wherever they run. Returns at once, and tells nothing of what becomes of it.

    Each takes it as a task does: pending, thrown, handled. One that has not begun gets it as it begins, and then never
    does, unless it is a Drain. A Kill is a ladder of one rung, as for `stop`. Signals of one client arrive in order.

    Raises: `TypeError` for what is no Dask future or no signal; `ValueError` for no future, and futures of several
    clients; `RuntimeError` as `install`.
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
    """In the client's loop: the one call. It goes behind the jobs that were submitted before, on their connection."""
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
