"""quattro's task group and cancel scopes around and inside our blocks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

quattro = pytest.importorskip("quattro")

from peers import BLOCKS, WORDS, ended, entered, fates, forever, me, now, on_ours, on_stock, say, started, told  # noqa: E402

from sigtask import Interrupt, Task, Terminate, catch  # noqa: E402
from sigtask.testing import turns  # noqa: E402

pytestmark = pytest.mark.clock

SCOPES = {
    "scope": quattro.CancelScope,
    "move_on_after": lambda: quattro.move_on_after(50),
    "fail_after": lambda: quattro.fail_after(50),
    "task group": quattro.TaskGroup,
}
FIRING = {"move_on_after": quattro.move_on_after, "fail_after": quattro.fail_after}


@pytest.fixture(params=list(SCOPES))
def scope(request):
    return SCOPES[request.param]


async def test_a_scope_around_a_block_changes_nothing(scope, block):
    assert await fates(scope, BLOCKS[block]) == told(block)


async def test_a_scope_inside_a_block_changes_nothing(scope, block):
    assert await fates(BLOCKS[block], scope) == told(block)


@pytest.mark.parametrize("outside", [True, False], ids=["around", "inside"])
@pytest.mark.parametrize("kind", FIRING)
async def test_a_deadline_fires_as_it_would_without_the_block(kind, block, outside):
    scopes = [FIRING[kind](5), BLOCKS[block]()]
    first, second = scopes if outside else reversed(scopes)
    with pytest.raises(TimeoutError) if kind == "fail_after" else contextlib.nullcontext():
        async with entered(first):
            async with entered(second):
                await forever()
    assert (now(), me().cancelling()) == (5, 0)


@pytest.mark.parametrize("first", ["signal", "scope"])
@pytest.mark.parametrize("kind", FIRING)
async def test_a_signal_in_the_turn_of_a_deadline_is_not_lost(kind, first):
    async def worker():
        with FIRING[kind](5):
            await forever()

    task = None
    if first == "signal":
        asyncio.get_running_loop().call_at(5, lambda: task.terminate("why"))
    task = await started(worker())
    if first == "scope":
        asyncio.get_running_loop().call_at(5, task.terminate, "why")
    assert await ended(task) is Terminate


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
    say(task, word)
    if word == "drain":
        await turns(5)
        assert not task.done()
        task.terminate("why")
    return await ended(task), children


@pytest.mark.parametrize("body", [forever, lambda: turns(1)], ids=["in the body", "waiting for the children"])
async def test_a_word_to_the_host_ends_it_and_every_child(word, body):
    end, children = await members(word, body)
    await turns(3)
    assert end is (Terminate if word == "drain" else WORDS[word])
    assert all(child.cancelled() for child in children)


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
