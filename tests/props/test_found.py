"""What the model found, each case made small."""

from __future__ import annotations

import asyncio

import pytest

from sigtask import Terminate
from sigtask.testing import turns


async def swallows_one():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return "went on"


@pytest.mark.parametrize("signal", [None, Terminate("all of it")], ids=["plain", "terminate"])
async def test_r23_a_cancelled_gather_whose_children_all_went_on_still_ends(signal):
    async def parent():
        await asyncio.gather(*children)

    children = [asyncio.create_task(swallows_one()) for _ in range(2)]
    task = asyncio.create_task(parent())
    await turns(2)
    assert task.cancel(signal)
    await turns(5)
    assert task.cancelled()
    assert type(task.ended_by) is (Terminate if signal else type(None))
    assert [child.result() for child in children] == ["went on", "went on"]
