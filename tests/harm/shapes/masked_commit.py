"""`sigtask.mask` in a task that is left to the closing cancel-all: the order is booked under sigtask"""
# harm: also ^C, INT 30ms INT, TERM 30ms TERM
# harm: function main
# harm: must INT: cleanup: order booked
# harm: must TERM: cleanup: order booked
# harm: must ^C: cleanup: order booked
# harm: must INT 30ms INT: cleanup: order booked
# harm: must TERM 30ms TERM: cleanup: order booked

import asyncio
import warnings

from sigtask import Terminate, mask


async def pay():
    with mask(Terminate):
        print("ready", flush=True)
        await asyncio.sleep(0.8)
        print("cleanup: order booked", flush=True)


async def main():
    task = asyncio.create_task(pay())
    await asyncio.sleep(3600)
    print(task)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # a mask does nothing in a task of plain asyncio, and says so
    asyncio.run(main())
