"""All that sigtask uses of Dask and Dask does not promise, for `distributed` 2025.4 to 2026.x. No other file does.

Not promised, and used here or through what is here
  Scheduler.handlers, Scheduler.stream_handlers, Worker.stream_handlers     messages of our own on Dask's connections
  Scheduler.stream_comms (by worker_send), Worker.batched_stream            the connection that each worker has open
  Client._send_to_scheduler                                                 the one that a client has
  TaskState.suspicious, Scheduler.allowed_failures                          how often a job may lose its worker
  Scheduler.stimulus_cancel, Scheduler.remove_worker                        forget a job, forget a worker
  the scheduler's handler `retire_workers`, `worker-status-change`          drain a worker before it goes, take it back
  the nanny's handlers `kill` and `run`                                     kill a process, ask whether it is dead
  Scheduler.extensions["stealing"]                                          have no idle worker steal a job
  Worker.state.stimulus_log                                                 why Dask has let go of a job
  the record "Compute Failed" of the logger `distributed.worker`            say in one line that a job was stopped
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections.abc import Callable, Iterable
from typing import Any

from distributed import Nanny, Scheduler, Worker
from distributed.core import Status, rpc
from distributed.protocol.pickle import dumps

Message = dict[str, Any]
_rpc: Any = rpc
_worker_log = logging.getLogger("distributed.worker")
_dumps: Any = dumps
LET_GO = {
    "cancel-key": "its Dask future was cancelled",
    "remove-client": "the client that wanted it is gone",
    "client-releases-keys": "no client wants it any more",
}
"""What the name that Dask gives to an event says of why a job is let go."""


# -- the scheduler ----------------------------------------------------------------------------------------------------


def answer(scheduler: Scheduler, name: str, call: Callable[..., Any]) -> None:
    """Let clients call `call` on the scheduler by that name, and wait for its answer."""
    scheduler.handlers[name] = call


def listen(server: Scheduler | Worker, calls: dict[str, Callable[..., Any]]) -> None:
    """Call these for each message of their kind on the open connections."""
    server.stream_handlers.update(calls)


async def bring_to_workers(scheduler: Scheduler, plugin: object, name: str) -> list[str]:
    """Install the plugin on all workers, and on those that join later. Returns the workers that have it."""
    took = await scheduler.register_worker_plugin(None, _dumps(plugin), name, idempotent=False)
    return [worker for worker, said in took.items() if said.get("status") == "OK"]


async def bring_to_nannies(scheduler: Scheduler, plugin: object, name: str) -> None:
    """Install the plugin on all nannies, and on those that join later."""
    await scheduler.register_nanny_plugin(None, _dumps(plugin), name, idempotent=True)


def take_over_retiring(scheduler: Scheduler, call: Callable[..., Any]) -> Callable[..., Any]:
    """Have `call` answer requests to retire workers. Returns Dask's own function for it."""
    theirs: Callable[..., Any] = scheduler.retire_workers
    scheduler.handlers["retire_workers"] = call
    return theirs


def resume(scheduler: Scheduler, worker: str) -> None:
    """Have a worker that was to retire take tasks again."""
    message = {"op": "worker-status-change", "status": "running", "stimulus_id": f"sigtask-resume-{time.time()}"}
    send_to_worker(scheduler, worker, message)


def send_to_worker(scheduler: Scheduler, worker: str, message: Message) -> None:
    """A message on the connection that is open. One that is just breaking loses it, and the worker is removed."""
    if worker in scheduler.workers:
        scheduler.worker_send(worker, message)


def task_of(scheduler: Scheduler, key: str) -> Any:
    """What the scheduler knows about a job; `None` if it does not know it."""
    return scheduler.tasks.get(key)


def tasks_at(scheduler: Scheduler, worker: str) -> list[Any]:
    """What that worker runs, or is about to."""
    state = scheduler.workers.get(worker)
    return [] if state is None else list(state.processing)


def run_at_most_once(scheduler: Scheduler, task: Any) -> None:
    """If the job is lost with its worker, do not start it elsewhere: `allowed-failures: 0`, for this job alone."""
    task.suspicious = max(task.suspicious, scheduler.allowed_failures)


def keep(scheduler: Scheduler, keys: Iterable[str]) -> None:
    """Let no idle worker steal these jobs: one that has not begun was signalled where it is."""
    if (stealing := scheduler.extensions.get("stealing")) is None:
        return
    for key in keys:
        if (task := scheduler.tasks.get(key)) is not None:
            stealing.remove_key_from_stealable(task)


def forget(scheduler: Scheduler, keys: Iterable[str], why: str) -> None:
    """Cancel these jobs as a client would: not started if they have not been, and never again."""
    wanted: dict[str, list[str]] = {}
    for key in keys:
        task = scheduler.tasks.get(key)
        if task is not None and task.who_wants:
            wanted.setdefault(next(iter(task.who_wants)).client_key, []).append(key)
    for client, theirs in wanted.items():
        scheduler.stimulus_cancel(theirs, client=client, force=True, reason="sigtask", msg=why)


def on_worker(scheduler: Scheduler, worker: str, but: set[str]) -> tuple[list[str], list[str]]:
    """The keys of what runs there, and of the results that are nowhere else; without those in `but`."""
    state = scheduler.workers.get(worker)
    if state is None:
        return [], []
    running = [str(task.key) for task in state.processing if task.key not in but]
    alone = [str(task.key) for task in state.has_what if len(task.who_has or ()) == 1 and task.key not in but]
    return sorted(running), sorted(alone)


def nanny_of(scheduler: Scheduler, worker: str) -> str | None:
    """The address of the worker's nanny; `None` when it has none, or is gone."""
    state = scheduler.workers.get(worker)
    return None if state is None else state.nanny or None


async def drop_worker(scheduler: Scheduler, worker: str) -> None:
    """Remove the worker from the cluster. If it still runs, it finds its connection closed, and stops itself."""
    await scheduler.remove_worker(worker, stimulus_id=f"sigtask-not-answering-{time.time()}")


# -- the nanny --------------------------------------------------------------------------------------------------------


async def kill_process(scheduler: Scheduler, nanny: str, polite: float, within: float) -> None:
    """Have the nanny kill its worker process, after asking it for so many seconds to go.

    Raises: `OSError` or `TimeoutError` when that is not known to be done after `within` seconds.
    """
    async with asyncio.timeout(within), _rpc(nanny, connection_args=scheduler.connection_args) as connection:
        await connection.kill(timeout=polite / 0.8, reason="sigtask-kill")  # it gives the worker four fifths of it


async def is_dead(scheduler: Scheduler, nanny: str, worker: str, within: float) -> bool:
    """Whether the nanny says that the process of that worker has ended. Raises: as `kill_process`."""
    ask = pickle.dumps(_process_is_dead)
    async with asyncio.timeout(within), _rpc(nanny, connection_args=scheduler.connection_args) as connection:
        while True:
            said = await connection.run(function=ask, args=pickle.dumps((worker,)))
            if said.get("status") != "OK":
                raise OSError(f"the nanny {nanny} could not say whether its worker is dead")
            if said["result"]:
                return True
            await asyncio.sleep(0.05)  # nothing tells the scheduler when a process is reaped


def nanny_closes(nanny: Nanny) -> bool:
    """Whether the nanny closes, and does not only take another plugin of that name."""
    return nanny.status is Status.closing


def _process_is_dead(worker: str, dask_worker: Any) -> bool:
    """In the nanny, which Dask hands over as `dask_worker`."""
    process = dask_worker.process
    return process is None or dask_worker.worker_address != worker or not process.is_alive()


# -- the worker -------------------------------------------------------------------------------------------------------


def send_to_scheduler(worker: Worker, message: Message) -> None:
    """A message on the open connection; lost when that is closed, and then the worker is about to close, too."""
    worker.batched_stream.send(message)


async def ask_from_worker(worker: Worker, name: str, **question: Any) -> Message:
    """What the scheduler answers to a question that `answer` has taught it. Raises: `OSError` when it is gone."""
    answer: Message = await getattr(worker.scheduler, name)(worker=worker.address, **question)
    return answer


def has_scheduler(worker: Worker) -> bool:
    """Whether the connection to the scheduler is open."""
    stream = worker.batched_stream
    return bool(stream.comm is not None and not stream.comm.closed())


def why_it_closes(worker: Worker) -> str | None:
    """Why the worker is about to close; `None` while it is not."""
    if not has_scheduler(worker):
        return "the worker has lost its scheduler"
    return "the worker closes" if worker.status in (Status.closing, Status.closed, Status.failed) else None


def retires(worker: Worker) -> bool:
    """Whether the worker takes no new tasks, as it is about to leave."""
    return bool(worker.status == Status.closing_gracefully)


def knows(worker: Worker, key: str) -> bool:
    """Whether the worker has the job, running or about to."""
    return key in worker.state.tasks


def why_let_go(worker: Worker, key: str) -> str:
    """Why the scheduler has just let the worker forget this job."""
    log = worker.state.stimulus_log
    if log and type(log[-1]).__name__ == "FreeKeysEvent":  # the one being handled; to look for the key is slow
        why = str(log[-1].stimulus_id)
        return LET_GO.get(why.rsplit("-", 1)[0], f"Dask has let go of it ({why})")
    return "Dask has let go of it"


class StoppedQuietly(logging.Filter):
    """Have Dask's worker log a job that was stopped in one line, at INFO; it logs an error with its traceback.

    `why(key)` is that line, or `None` for a job that was not stopped. All other records pass as they are.
    """

    def __init__(self, why: Callable[[Any], str | None]) -> None:
        super().__init__()
        self._why = why

    def install(self) -> None:
        """Begin."""
        _worker_log.addFilter(self)

    def remove(self) -> None:
        """Let Dask log as it does."""
        _worker_log.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """`logging` calls it for each record of that logger."""
        key = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if not str(record.msg).startswith("Compute Failed") or (why := self._why(key)) is None:
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.args = "%s", (why,)
        return _worker_log.isEnabledFor(logging.INFO)


# -- the client -------------------------------------------------------------------------------------------------------


def run(client: Any, call: Callable[..., Any], *args: Any) -> Any:
    """Call it in the client's loop and wait; for an asynchronous client, return an awaitable."""
    return client.sync(call, *args)


def loop_of(client: Any) -> asyncio.AbstractEventLoop:
    """The loop that the client runs in: a synchronous one has a loop of its own, in a thread."""
    return client.loop.asyncio_loop  # type: ignore[no-any-return]  # tornado's, around asyncio's


async def bring_plugin(client: Any, plugin: object, name: str) -> None:
    """Install the plugin on the scheduler, unless it has one of that name. Raises: what loading it there raised."""
    await client.scheduler.register_scheduler_plugin(plugin=_dumps(plugin), name=name, idempotent=True)


async def ask_scheduler(client: Any, name: str, /, **message: Any) -> Message:
    """Call what `answer` has registered, and wait. Raises: `OSError` when the connection is lost."""
    return await getattr(client.scheduler, name)(**message)  # type: ignore[no-any-return]  # what comes over the wire


def send_from_client(client: Any, message: Message) -> None:
    """A message on the client's open connection to the scheduler, in order; from any thread."""
    client._send_to_scheduler(message)
