"""`-m pytest` with two tests: a Ctrl-C in the first, the second is not run"""
# harm: command -m pytest -s -p no:cacheprovider -p no:terminal {file}
# harm: needs pytest
# harm: also none, ^C
# harm: exit pytest counts a failed test, and goes on

import asyncio
import os

import pytest

SECONDS = float(os.environ["SECONDS"])


@pytest.fixture(scope="module")
def server():
    yield
    print("cleanup: fixture", flush=True)


async def work():
    print("ready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: first test", flush=True)


def test_first(server):
    asyncio.run(work())


def test_second(server):
    print("second test runs", flush=True)
