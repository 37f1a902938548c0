"""aiotools' groups, scopes and shield around and inside our blocks. Its scopes put their own `cancel` on the task."""

from __future__ import annotations

import asyncio
import warnings

import pytest

aiotools = pytest.importorskip("aiotools")

from peers import BLOCKS, WORDS, ended, forever, me, now, on_ours, on_stock, say, started, stopped  # noqa: E402
from scopes import (  # noqa: E402, F401
    test_a_deadline_fires_as_it_would_without_the_block,
    test_a_scope_around_a_block_changes_nothing,
    test_a_scope_inside_a_block_changes_nothing,
    test_a_signal_in_the_turn_of_a_deadline_is_not_lost,
)

from sigtask import Fate, Interrupt, Kill, Task, Terminate, catch, mask  # noqa: E402
from sigtask.testing import turns  # noqa: E402

pytestmark = pytest.mark.clock


def persistent():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return aiotools.PersistentTaskGroup()


SCOPES = {
    "task group": aiotools.TaskGroup,
    "persistent group": persistent,
    "task scope": aiotools.TaskScope,
    "supervisor": aiotools.Supervisor,
    "timeout": lambda: aiotools.timeout(50),
}
FIRING = {"timeout": (aiotools.timeout, TimeoutError)}


@pytest.mark.parametrize(
    "make", [aiotools.TaskGroup, persistent, aiotools.TaskScope], ids=["group", "persistent", "scope"]
)
async def test_a_word_to_the_host_ends_it_and_every_child(make, word):
    if make is aiotools.TaskScope and word == "kill":
        pytest.skip("a killed host is gone before its children are: it ends, and aiotools asserts that it is there")
    children = []

    async def child():
        children.append(me())
        await forever()

    async def host():
        async with make() as group:
            keep = [group.create_task(child()) for _ in range(3)]
            await forever()
        return keep

    task = await started(host(), 4)
    assert all(isinstance(child, Task) for child in children)
    as_told = await stopped(task, word)
    # The persistent one goes by the exact class, as stdlib did before 3.13, and a fresh CancelledError of its own
    # comes out.
    assert as_told or (make is persistent and word != "kill" and task.cancelled())
    assert all(child.done() for child in children)


# -- the shield ------------------------------------------------------------


def test_a_plain_cancel_waits_for_the_end_of_a_shield_as_on_stock_tasks():
    async def main():
        async def worker():
            with aiotools.ShieldScope():
                await asyncio.sleep(2)
            log.append(now())
            await forever()

        log = []
        task = asyncio.create_task(worker())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return log, task.cancelled(), now()

    assert on_ours(main) == on_stock(main)


async def test_a_signal_passes_a_shield_and_a_mask_holds_it(word):
    """The shield holds back `cancel()`; a signal is no cancel(), and a mask is what holds it."""

    async def worker(block):
        with aiotools.ShieldScope(), block:
            await asyncio.sleep(2)

    async def awaits(task):
        await task

    task = await started(worker(BLOCKS["none"]()))
    say(task, word)
    await ended(task)
    assert now() == (2 if word in ("drain", "cancel") else 0)
    masked = await started(worker(mask()))
    before = now()
    say(masked, word)
    await ended(masked)
    assert now() - before == (0 if word == "kill" else 2)


async def test_a_signal_that_comes_down_an_await_waits_for_the_end_of_a_shield():
    """It comes as `cancel(msg=signal)`, so the shield holds it, and lets it go as what it is (R4)."""

    async def inner():
        with aiotools.ShieldScope():
            await asyncio.sleep(2)
        await forever()

    async def outer():
        await shielded

    shielded = await started(inner())
    task = await started(outer())
    task.terminate("why")
    assert await ended(shielded) is Terminate
    assert (await ended(task), now()) == (Terminate, 2)


async def test_a_catch_inside_a_shield_takes_its_signal_back():
    """The shield answers `uncancel()` on the task from a list of its own, which knows nothing of signals."""
    with aiotools.ShieldScope():
        with catch(Interrupt) as caught:
            me().interrupt("why")
            await forever()
        await turns(1)
    assert (caught.signal.reason, Task.cancelling(me())) == ("why", 0)


async def test_a_consumed_signal_inside_a_shield_leaves_the_count_right():
    async def takes_it():
        with catch(Interrupt):
            await forever()
        return "consumed"

    async def worker():
        inner = await started(takes_it())
        with aiotools.ShieldScope():
            log.append(await inner)
        return Task.cancelling(me())

    log = []
    task = await started(worker(), 6)
    task.interrupt("why")
    assert (await ended(task), log, task.history[0].fate) == (0, ["consumed"], Fate.CONSUMED)


async def test_a_task_that_was_in_a_scope_once_still_takes_signal_after_signal():
    """aiotools leaves its own `uncancel` on the task: of the class that it had before its first signal."""

    async def worker():
        async with aiotools.TaskScope():
            pass
        for _ in range(3):
            try:
                await forever()
            except Interrupt:
                me().uncancel()
        return me().cancelling()

    task = await started(worker(), 4)
    for _ in range(3):
        task.interrupt("why")
        await turns(3)
    assert await ended(task) == 0


# -- cancel_and_wait ------------------------------------------------------------


async def test_cancel_and_wait_ends_a_graded_task(block):
    async def worker():
        with BLOCKS[block]():
            await forever()

    task = await started(worker())
    await aiotools.cancel_and_wait(task)
    assert task.cancelled() and me().cancelling() == 0


async def test_a_word_to_the_one_who_cancels_and_waits_ends_it(word):
    """Its victim cleans up for two seconds; the canceller's own signal goes to it as well, and is not swallowed."""

    async def victim():
        try:
            await forever()
        finally:
            with mask():
                await asyncio.sleep(2)
            await asyncio.sleep(0)  # here what the mask held comes

    async def canceller():
        await aiotools.cancel_and_wait(inner)
        await forever()

    inner = await started(victim())
    task = await started(canceller(), 3)
    say(task, word)
    if word in ("drain", "cancel"):
        await asyncio.sleep(3)
        task.kill("why")
    end = await ended(task)
    assert task.cancelled() and end in (WORDS[word], Kill)
    inner.kill("why")
    await asyncio.wait([inner])


def test_cancel_and_wait_of_many_ends_as_on_stock_tasks():
    async def main():
        async def swallows():
            while True:
                try:
                    await forever()
                except asyncio.CancelledError:
                    return

        async def fails():
            try:
                await forever()
            finally:
                raise ValueError("cleanup")

        tasks = [asyncio.create_task(one()) for one in (forever, swallows, fails)]
        await turns(1)
        try:
            await aiotools.cancel_and_wait(tasks)
        except BaseExceptionGroup as group:
            return sorted(str(type(error)) for error in group.exceptions), me().cancelling()

    assert on_ours(main) == on_stock(main)
