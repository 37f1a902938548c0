"""`-m pytest` with two tests: a Ctrl-C in the first, the second is not run"""
# harm: command -m pytest -q -s -p no:cacheprovider --no-header --tb=no --show-capture=no -r N {file}
# harm: needs pytest
# harm: also none, ^C

import asyncio
import os

import pytest

SECONDS = float(os.environ["SECONDS"])


@pytest.fixture(scope="module")
def server():
    yield
    print("cleanup: fixture", flush=True)


async def work():
    print("\nready", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        await asyncio.sleep(0.05)
        print("cleanup: first test", flush=True)


def test_first(server):
    asyncio.run(work())


def test_second(server):
    print("second test runs", flush=True)


@pytest.fixture(scope="session", autouse=True)
def leave():
    yield
    print("cleanup: session", flush=True)
    os._exit(0) if SECONDS < 1 else None
