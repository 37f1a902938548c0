"""main's `finally` flushes through a sender task of its own"""
# harm: also none, HUP, ^C, pairs
# harm: function main
# harm: must TERM: cleanup: flushed 10

import asyncio
import os

SECONDS = float(os.environ["SECONDS"])


class Producer:
    def __init__(self):
        self.queue, self.sent = asyncio.Queue(), 0
        self.sender = asyncio.create_task(self.send())

    async def send(self):
        while True:
            await self.queue.get()
            await asyncio.sleep(0.03)
            self.sent += 1
            self.queue.task_done()

    async def close(self):
        await self.queue.join()
        self.sender.cancel()
        print("cleanup: flushed", self.sent, flush=True)


async def main():
    producer = Producer()
    for n in range(10):
        producer.queue.put_nowait(n)
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await producer.close()


if __name__ == "__main__":
    asyncio.run(main())
