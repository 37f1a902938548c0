"""a REPL that runs each command by `asyncio.run()`; a Ctrl-C ends the command and not the REPL"""
# harm: also INT 1s INT, INT 1s INT 1s INT, ^C 1s ^C 1s ^C
# harm: lives INT, INT 1s INT
# harm: ways run, uvloop
# harm: options --signals INT=default

import asyncio


async def command(n):
    if n == 0:
        print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        print("cleanup: command", n, "ended", flush=True)


for n in range(3):
    try:
        asyncio.run(command(n))
    except KeyboardInterrupt:
        print("KeyboardInterrupt", n, flush=True)
print("end", flush=True)
