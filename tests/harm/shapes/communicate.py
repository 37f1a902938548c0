"""`communicate()` with a child that answers when it is told to end"""
# harm: also ^C
# harm: function main

import asyncio
import sys

CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit("told to end"))
print("ready", flush=True)
time.sleep(600)
"""


async def main():
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stderr=pipe)
    try:
        await child.communicate()
    finally:
        child.terminate()
        _, said = await child.communicate()
        print("cleanup: child said", said.decode().strip(), child.returncode, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
