"""A FastStream worker on a redis stream. On Drain a job in hand is finished, on Terminate it goes back.

Run it: sigtask run examples.workers.faststream_worker:main
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from faststream import BaseMiddleware, FastStream
from faststream.redis import RedisBroker, RedisMessage, StreamSub

from sigtask import Drain, Signal, Terminate, mask, requested

LOST = int(os.environ.get("LOST_AFTER_MS", "600000"))  # a job is taken over after that long: longer than any job takes
ME = f"{socket.gethostname()}-{os.getpid()}"


class PutBack(BaseMiddleware[Any, Any]):
    """A job that a signal has ended counts as lost at once, so the next worker takes it over."""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: RedisMessage) -> Any:
        """What FastStream calls around each job."""
        try:
            return await call_next(msg)
        except Signal:
            with mask(Terminate):
                redis, entries = await broker.connect(), msg.raw_message["message_ids"]
                await redis.xclaim("cakes", "bakers", ME, 0, entries, idle=LOST, justid=True)
            raise


# After the signal FastStream waits so long for its jobs; the ladder bounds that.
broker = RedisBroker(os.environ.get("REDIS_URL", "redis://localhost"), graceful_timeout=3600, middlewares=[PutBack])


@broker.subscriber(stream=StreamSub("cakes", group="bakers", consumer=ME, max_records=1))
@broker.subscriber(stream=StreamSub("cakes", group="bakers", consumer=ME, min_idle_time=LOST))
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
    """The program: FastStream's, as it is."""
    await FastStream(broker).run()
