"""a supervisor of one's own: `asyncio.run()` in a loop that starts it again after any Exception"""
# harm: also ^C, INT 1s INT, TERM 1s TERM

import asyncio

crashes = 0


async def main():
    global crashes
    crashes += 1
    if crashes == 1:
        raise ConnectionError("the first start fails")
    print("ready", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.1)
        print("cleanup: main", flush=True)


while True:
    try:
        asyncio.run(main())
    except Exception as error:
        print("started again after", type(error).__name__, flush=True)
