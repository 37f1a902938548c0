"""examples/orders.py does what its first lines say, also where main and its TaskGroup are told first."""

import signal
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.os, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]

ROOT = Path(__file__).parents[2]
SLOW = """
import asyncio
from examples import orders

async def pack(number):
    pass

async def pay(number):
    print("paying", number, flush=True)
    await asyncio.sleep(1)
    print("paid", number, flush=True)

orders.pack, orders.pay = pack, pay
main = orders.main
"""


def test_an_order_that_is_being_paid_for_is_booked_whatever_but_a_kill_comes(sigtask_run, write):
    write("slow.py", SLOW)
    shop = sigtask_run("slow:main", "book.db", env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}:."})
    shop.wait_for("paying 1")
    shop.signal(signal.SIGTERM)
    time.sleep(0.6)  # two signals within half a second count as one
    shop.signal(signal.SIGTERM)
    assert shop.wait() == -signal.SIGTERM, shop.stderr
    assert shop.stdout.count("paid ") == shop.stdout.count("paying ") > 0
    assert "main: orders kept for the next time: []" in shop.stdout
