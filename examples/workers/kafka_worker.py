"""An aiokafka worker. On Drain the job in hand is finished, on Terminate it comes again, to whoever gets the partition.

Run it: sigtask run examples.workers.kafka_worker:main
"""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer

from sigtask import Drain, Terminate, mask, requested, until


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
    """The program."""
    consumer = AIOKafkaConsumer(
        "cakes",
        bootstrap_servers=os.environ.get("KAFKA", "localhost:9092"),
        group_id="bakers",
        enable_auto_commit=False,  # a job is done when it is done, not when it was read
        auto_offset_reset="earliest",
    )
    async with consumer:  # at its end it leaves the group, so that another takes over at once
        while not isinstance(record := await until(Drain, consumer.getone()), Drain):
            await bake(**json.loads(record.value))
            with mask(Terminate):
                await consumer.commit()
