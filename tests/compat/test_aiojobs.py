"""aiojobs: a scheduler's jobs are graded tasks; jobs, shield and close are nested with our blocks."""

from __future__ import annotations

import asyncio

import pytest

aiojobs = pytest.importorskip("aiojobs")

from peers import BLOCKS, WORDS, ended, fates, forever, me, now, on_ours, on_stock, say, started, told  # noqa: E402

from sigtask import Interrupt, Kill, Task, Terminate, catch, mask  # noqa: E402
from sigtask.testing import turns  # noqa: E402

pytestmark = pytest.mark.clock


async def spawned(coro, **options):
    scheduler = aiojobs.Scheduler(**options)
    job = await scheduler.spawn(coro)
    await turns(2)
    assert isinstance(job._task, Task)
    return scheduler, job


async def test_a_scheduler_around_a_block_changes_nothing(block):
    assert await fates(aiojobs.Scheduler, BLOCKS[block]) == told(block)


async def test_a_scheduler_inside_a_block_changes_nothing(block):
    assert await fates(BLOCKS[block], aiojobs.Scheduler) == told(block)


async def test_a_word_to_a_job_ends_that_job_alone(word):
    scheduler, job = await spawned(forever())
    other = await scheduler.spawn(forever())
    say(job._task, word)
    await turns(5)
    assert (job.closed, other.closed) == (word != "drain", False)
    await scheduler.close()
    assert other._task.cancelled() and job._task.cancelled() and me().cancelling() == 0


async def test_a_word_to_who_waits_for_a_job_leaves_the_job(word):
    """`wait()` shields the job, as stock asyncio's `shield` does."""
    scheduler, job = await spawned(asyncio.sleep(5, "done"))
    waiter = await started(job.wait(), 4)
    say(waiter, word)
    if word != "drain":
        assert await ended(waiter) is WORDS[word]
    assert await job.wait() == "done"
    await scheduler.close()
    await ended(waiter)


async def test_close_ends_every_job_whatever_block_it_is_in(block):
    async def work():
        with BLOCKS[block]():
            await forever()

    scheduler, job = await spawned(work())
    await scheduler.close()
    assert job._task.cancelled() and me().cancelling() == 0 and now() == 0


async def test_a_word_to_who_closes_ends_it_and_the_jobs_are_cancelled(word):
    async def cleans_up():
        try:
            await forever()
        finally:
            with mask():
                await asyncio.sleep(1)

    scheduler, job = await spawned(cleans_up(), close_timeout=50)
    closer = await started(scheduler.close(), 3)
    say(closer, word)
    end = await ended(closer)
    assert end is (None if word == "drain" else WORDS[word])
    job._task.kill("why")
    await asyncio.wait([job._task])
    scheduler._failed_task.cancel()
    await asyncio.wait([scheduler._failed_task])


async def test_a_caught_signal_leaves_the_scheduler_at_work():
    async with aiojobs.Scheduler() as scheduler:
        job = await scheduler.spawn(asyncio.sleep(5, "done"))
        with catch(Interrupt) as caught:
            me().interrupt("why")
            await job.wait()
        assert (caught.signal.reason, me().cancelling(), job.closed) == ("why", 0, False)
        assert await job.wait() == "done"


async def test_a_shielded_task_outlives_its_waiter(word):
    scheduler = aiojobs.Scheduler()
    inner = await started(asyncio.sleep(5, "done"))

    async def waits():
        await scheduler.shield(inner)

    waiter = await started(waits())
    say(waiter, word)
    if word != "drain":
        assert await ended(waiter) is WORDS[word]
    await scheduler.wait_and_close()
    assert (inner.result(), inner.history, now()) == ("done", (), 5)
    await ended(waiter)


async def test_jobs_spawned_in_a_mask_are_covered_while_it_lasts():
    async def owner():
        with mask():
            jobs.append(await scheduler.spawn(asyncio.sleep(5, "done")))
            return await jobs[0].wait()

    scheduler, jobs = aiojobs.Scheduler(), []
    task = await started(owner(), 3)
    jobs[0]._task.terminate("why")
    assert await task == "done"
    await scheduler.close()


def closing(deaf):
    """A scheduler with a job that cleans up, one that swallows and one that fails is closed; gives how each ended."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        async def cleans_up():
            try:
                await forever()
            finally:
                await asyncio.sleep(1)

        async def swallows():
            for _ in range(2 if deaf else 1):
                try:
                    await forever()
                except asyncio.CancelledError:
                    pass

        async def fails():
            raise ValueError

        scheduler = aiojobs.Scheduler(close_timeout=2)
        jobs = [await scheduler.spawn(one()) for one in (cleans_up, swallows, fails)]
        await asyncio.sleep(1)
        await scheduler.close()
        for job in jobs:
            job._task.cancel()
        await asyncio.wait([job._task for job in jobs])
        return [job._task.cancelled() for job in jobs], [job.closed for job in jobs], now(), me().cancelling()

    return main


@pytest.mark.parametrize("deaf", [False, True])
def test_closing_ends_as_on_stock_tasks(deaf):
    assert on_ours(closing(deaf)) == on_stock(closing(deaf))


async def test_a_killed_job_that_swallows_everything_is_closed():
    async def deaf():
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                pass

    scheduler, job = await spawned(deaf())
    job._task.terminate("why")
    await turns(3)
    assert not job.closed
    job._task.kill("why")
    assert await ended(job._task) is Kill
    await scheduler.close()
    assert [type(one.signal) for one in job._task.history] == [Terminate, Kill]
