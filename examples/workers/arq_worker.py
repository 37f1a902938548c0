"""An arq worker. On Drain a job in hand is finished, on Terminate it goes back into the queue.

Run it: sigtask run -m arq examples.workers.arq_worker.WorkerSettings
"""

import asyncio
import os
from typing import Any

from arq.connections import RedisSettings

from sigtask import Drain, Terminate, requested


async def bake(ctx: dict[Any, Any], what: str, seconds: float) -> None:
    """The job."""
    print(f"{what}: begun", flush=True)
    try:
        await asyncio.sleep(seconds)
    except Terminate as signal:
        print(f"{what}: not done: {signal.reason}", flush=True)
        raise  # arq takes it for a cancellation, and the job goes back
    drain = requested(Drain)
    print(f"{what}: done, {drain.reason if drain else 'nobody hurries'}", flush=True)


class WorkerSettings:
    """What arq goes by."""

    functions = (bake,)
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://localhost"))
    job_completion_wait = 3600  # after the signal: no new jobs, and wait for those in hand; the ladder bounds that
