"""What a test of stop() stops."""

import asyncio

import pytest
from hypothesis import settings

settings.register_profile("sigtask", deadline=None)  # a busy machine is no failure
settings.load_profile("sigtask")


@pytest.fixture
def nobody_listens(monkeypatch):
    """As in a program that has taken nothing from sigtask with which it could hear a Drain (R26)."""
    monkeypatch.setattr("sigtask._stop.sending.could_be_heard", lambda: False)


@pytest.fixture
def deaf():
    """A coroutine function that swallows whatever it can; it ends when `deaf.release` is set."""

    async def deaf():
        while not getattr(deaf, "release", False):
            try:
                await asyncio.get_running_loop().create_future()
            except BaseException:
                pass

    return deaf
