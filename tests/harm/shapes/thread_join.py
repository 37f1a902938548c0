"""a loop in a background thread, the main thread in `thread.join()`"""
# harm: also ^C

import asyncio
import threading


async def job(stop):
    print("ready", flush=True)
    try:
        await stop.wait()
        print("asked politely", flush=True)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: job has ended", flush=True)


def work():
    with asyncio.Runner() as runner:
        shared["loop"], shared["stop"] = runner.get_loop(), asyncio.Event()
        runner.run(job(shared["stop"]))
    ended.set()


shared = {}
ended = threading.Event()
thread = threading.Thread(target=work)
thread.start()
try:
    thread.join()
except KeyboardInterrupt:
    print("Ctrl-C seen", flush=True)
    shared["loop"].call_soon_threadsafe(shared["stop"].set)
    ended.wait()  # before Python 3.12, a join() that was interrupted takes the thread for ended
print("cleanup: end", flush=True)
