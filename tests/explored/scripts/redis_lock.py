"""redis-py: a `lock()` that is cancelled while it is being acquired may stay locked on the server until its timeout.

Plain asyncio, no sigtask. Needs a server: the port is the first argument.
"""

import asyncio
import sys
from contextlib import suppress

import redis
import redis.asyncio


async def main():
    client = redis.asyncio.Redis(port=int(sys.argv[1]))
    await client.delete("door")

    async def uses():
        async with client.lock("door", timeout=60, blocking_timeout=1):
            pass

    task = asyncio.create_task(uses())
    for _ in range(2):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.2)
    left = await client.ttl("door")
    print(f"redis-py {redis.__version__}: the lock is", f"held for another {left} s" if left > 0 else "free")
    await client.aclose()


asyncio.run(main())
