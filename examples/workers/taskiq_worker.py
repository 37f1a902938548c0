"""A taskiq worker on a redis stream. On Drain jobs in hand are finished, on Terminate they go back.

Run it: sigtask run examples.workers.taskiq_worker:main
"""

import asyncio
import os
from typing import Any

from taskiq import TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.exceptions import NoResultError
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from sigtask import Drain, Signal, Terminate, mask, on_signal, requested


class PutBack(TaskiqMiddleware):
    """taskiq takes a signal for the result of a job. Here the job is queued once more, and has none."""

    async def on_error(self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException) -> None:
        """What taskiq calls when the job has ended so."""
        if isinstance(exception, Signal):
            with mask(Terminate):
                await self.broker.kick(self.broker.formatter.dumps(message))
            result.error = NoResultError()


broker = RedisStreamBroker(
    os.environ.get("REDIS_URL", "redis://localhost"),
    consumer_id="0",  # jobs from before the first worker, too
    xread_count=1,  # what was read ahead would lie with a worker that has ended
    idle_timeout=int(os.environ.get("LOST_AFTER_MS", "600000")),  # then it is taken over: longer than any job takes
).with_middlewares(PutBack())


@broker.task
async def bake(what: str, seconds: float) -> None:
    """The job."""
    print(f"{what}: begun", flush=True)
    try:
        await asyncio.sleep(seconds)
    except Terminate as signal:
        print(f"{what}: not done: {signal.reason}", flush=True)
        raise
    drain = requested(Drain)
    print(f"{what}: done, {drain.reason if drain else 'nobody hurries'}", flush=True)


async def main() -> None:
    """The program: what `taskiq worker` does in each of its processes, in this one."""
    closing = asyncio.Event()
    broker.is_worker_process = True
    receiver = Receiver(broker, max_async_tasks=2)
    with on_signal(Drain, lambda drain: closing.set()):
        await receiver.listen(closing)
    await broker.shutdown()  # not after a Terminate: the jobs are told when main has ended, and need the broker
