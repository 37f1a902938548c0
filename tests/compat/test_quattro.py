"""quattro's task group and cancel scopes around and inside our blocks."""

from __future__ import annotations

import asyncio

import pytest

quattro = pytest.importorskip("quattro")

from peers import forever, me, now, on_ours, on_stock, started, stopped  # noqa: E402
from scopes import (  # noqa: E402, F401
    test_a_deadline_fires_as_it_would_without_the_block,
    test_a_scope_around_a_block_changes_nothing,
    test_a_scope_inside_a_block_changes_nothing,
    test_a_signal_in_the_turn_of_a_deadline_is_not_lost,
)

from sigtask import Interrupt, Task, catch  # noqa: E402
from sigtask.testing import turns  # noqa: E402

pytestmark = pytest.mark.clock

SCOPES = {
    "scope": quattro.CancelScope,
    "move_on_after": lambda: quattro.move_on_after(50),
    "fail_after": lambda: quattro.fail_after(50),
    "task group": quattro.TaskGroup,
}
FIRING = {"move_on_after": (quattro.move_on_after, None), "fail_after": (quattro.fail_after, TimeoutError)}


async def test_a_caught_signal_leaves_the_scope_armed():
    with quattro.move_on_after(5) as scope:
        with catch(Interrupt):
            me().interrupt()
            await forever()
        await forever()
    assert (scope.cancelled_caught, me().cancelling(), now()) == (True, 0, 5)


async def members(word, body):
    """Say the word to the host of a group with two children, one of them in the background."""
    children = []

    async def child():
        children.append(me())
        await forever()

    async def host():
        async with quattro.TaskGroup() as group:
            group.create_task(child())
            group.create_background_task(child())
            await turns(1)
            await body()

    task = await started(host(), 4)
    assert all(isinstance(child, Task) for child in children)
    return await stopped(task, word), children


@pytest.mark.parametrize("body", [forever, lambda: turns(1)], ids=["in the body", "waiting for the children"])
async def test_a_word_to_the_host_ends_it_and_every_child(word, body):
    as_told, children = await members(word, body)
    assert as_told and all(child.cancelled() for child in children)


async def test_the_children_see_the_signal_of_their_host():
    """R9, by the plain `cancel()` that the group makes."""
    _, children = await members("terminate", forever)
    assert [child.ended_by.reason for child in children] == ["why", "why"]


def test_background_tasks_end_with_the_group_as_on_stock_tasks():
    async def main():
        async with quattro.TaskGroup() as group:
            background = group.create_background_task(forever())
            group.create_task(asyncio.sleep(2))
        return background.cancelled(), now(), me().cancelling()

    assert on_ours(main) == on_stock(main)


@pytest.mark.parametrize("limit", [1, 2])
def test_gather_ends_as_on_stock_tasks(limit):
    async def fails():
        await asyncio.sleep(1)
        raise ValueError

    async def main():
        ends = await quattro.gather(fails(), asyncio.sleep(2, "ok"), return_exceptions=True, concurrency_limit=limit)
        return [str(type(end)) for end in ends], now()

    assert on_ours(main) == on_stock(main)
