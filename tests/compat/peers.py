"""Other people's scopes around and inside our blocks: the table of what becomes of a task, and how it is tried.

A worker waits inside a scope and a block, is told to stop with each word, and is then let go. What becomes of it is
said by the block alone, in `fate`: a scope in which nothing happens must change nothing, whichever of the two is
outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

from tasks import forever, me, now  # noqa: F401  # the tests take them from here, with the rest

import sigtask
from sigtask import Drain, Fate, Interrupt, Kill, Terminate, accept, catch, mask, on_signal
from sigtask.testing import FakeClockLoop, turns

WORDS = {"drain": Drain, "interrupt": Interrupt, "terminate": Terminate, "kill": Kill, "cancel": asyncio.CancelledError}
BLOCKS = {
    "accept": lambda: accept(Drain),
    "mask": lambda: mask(),
    "on_signal": lambda: on_signal(Terminate, print),
    "catch": lambda: catch(Interrupt),
    "none": contextlib.nullcontext,
}
HELD = {("drain", block) for block in BLOCKS if block != "accept"}  # by the threshold, to the end
TAKEN = {("interrupt", "catch"), ("terminate", "on_signal")}


def fate(word, block):
    """How a worker that is let go later ends: by the word that was said, or by returning its count of cancels."""
    return 0 if (word, block) in HELD | TAKEN else WORDS[word]


def say(task, word, reason="why"):
    """Tell a task to stop with a signal, or cancel it plainly."""
    return task.cancel() if word == "cancel" else task.send_signal(WORDS[word](reason))


async def started(coro, after=2):
    task = asyncio.create_task(coro)
    await turns(after)
    return task


async def ended(task):
    """Wait for a task; gives the class of what it raised, or what it returned."""
    async with asyncio.timeout(100):
        await asyncio.wait([task])
    try:
        return task.result()
    except BaseException as error:
        if isinstance(error, sigtask.Signal):
            assert (error.reason, type(task.ended_by)) == ("why", type(error))
        return type(error)


async def stopped(task, word):
    """Say the word to the host of a group; gives whether it ended as it is to.

    A Drain it holds, so it is told to terminate after that.
    """
    say(task, word)
    if word == "drain":
        await turns(5)
        assert not task.done() and [one.fate for one in task.history] == [Fate.PENDING]
        task.terminate("why")
    end = await ended(task)
    await turns(5)
    return end is (Terminate if word == "drain" else WORDS[word])


@contextlib.asynccontextmanager
async def entered(scope):
    """Enter a scope that may be an async or an ordinary context manager."""
    if hasattr(scope, "__aenter__"):
        async with scope:
            yield
    else:
        with scope:
            yield


async def fates(outside, inside):
    """How a worker that waits in both ends, for each word."""
    return {word: await _tried(outside, inside, word) for word in WORDS}


def told(block):
    """What `fates` is to be with that block, in whatever scope that nothing happens to."""
    return {word: fate(word, block) for word in WORDS}


async def _tried(outside, inside, word):
    go = asyncio.Event()
    worker = await started(_worker(outside, inside, go))
    say(worker, word)
    await turns(5)
    go.set()
    return await ended(worker)


async def _worker(outside, inside, go):
    before = me().cancelling()
    async with entered(outside()):
        async with entered(inside()):
            await go.wait()
    await turns(2)
    return me().cancelling() - before


def on_stock(main):
    """What `main()` gives on asyncio's own tasks."""
    return _run(main, None)


def on_ours(main):
    """What `main()` gives on our tasks."""
    return _run(main, sigtask.install)


def _run(main, install):
    complaints = []
    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        if install is not None:
            install(loop)
        result = runner.run(main())
    if install is not None:
        gc.collect()
    assert not complaints, complaints
    return result
