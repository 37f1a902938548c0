"""`asyncio.Runner` with our factory: main is told to stop with each word; what the runner does then is asyncio's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from peers import WORDS, forever, me, say

import sigtask
from sigtask import Drain, Interrupt, Kill, Task, Terminate, catch, mask
from sigtask.testing import FakeClockLoop, turns


def loop_of_ours():
    loop = FakeClockLoop()
    sigtask.install(loop)
    return loop


def run(main):
    """What `main()` returned, or the class and arguments of what came out of the runner; and how other tasks ended."""
    others = []

    async def cleans_up():
        try:
            await forever()
        finally:
            await asyncio.sleep(1)

    async def with_others():
        others.extend(asyncio.create_task(one()) for one in (forever, cleans_up))
        await turns(2)
        return await main()

    try:
        with asyncio.Runner(loop_factory=loop_of_ours) as runner:
            end = runner.run(with_others())
    except BaseException as error:
        end = type(error)
    assert all(isinstance(task, Task) and task.cancelled() for task in others)
    return end


def test_a_word_to_main_comes_out_of_the_runner_and_the_other_tasks_are_cancelled(word):
    async def main():
        asyncio.get_running_loop().call_soon(say, me(), word)
        await asyncio.sleep(5)
        return "returned"

    assert run(main) == ("returned" if word == "drain" else WORDS[word])


@pytest.mark.parametrize("block", [lambda: mask(), lambda: catch(Terminate)], ids=["mask", "catch"])
def test_a_blocks_work_is_done_before_the_runner_closes(block, word):
    async def main():
        with block():
            asyncio.get_running_loop().call_soon(say, me(), word)
            await asyncio.sleep(5)
        return me().cancelling()

    # After the mask there is no await at which a signal could come.
    taken = {mask: ("drain", "interrupt", "terminate"), catch: ("drain", "terminate")}[type(block())]
    assert run(main) == (0 if word in taken else WORDS[word])


@pytest.mark.parametrize("block", [lambda: mask(), lambda: catch(Terminate)], ids=["mask", "catch"])
def test_close_ends_what_is_left_in_a_block(block):
    """`Runner.close` cancels plainly, with no loop running: neither block holds that back."""

    async def left():
        with block():
            await forever()

    async def main():
        tasks.append(asyncio.create_task(left()))
        await turns(2)

    tasks = []
    with asyncio.Runner(loop_factory=loop_of_ours) as runner:
        runner.run(main())
    assert tasks[0].cancelled() and tasks[0].history == ()


def test_close_waits_for_a_task_that_a_signal_is_cleaning_up():
    """The plain cancel of the close comes into the cleanup, as a second cancel does in asyncio."""

    async def cleans_up():
        try:
            await forever()
        finally:
            await asyncio.sleep(1)

    async def main():
        tasks.append(asyncio.create_task(cleans_up()))
        await turns(2)
        tasks[0].terminate("why")
        await turns(2)

    tasks = []
    with asyncio.Runner(loop_factory=loop_of_ours) as runner:
        runner.run(main())
    assert tasks[0].cancelled() and [one.fate.value for one in tasks[0].history] == ["delivered"]


def test_a_second_run_on_the_same_runner_starts_clean():
    async def main():
        return me().cancelling(), me().threshold, len(asyncio.all_tasks())

    async def terminated():
        me().terminate("why")
        await forever()

    with asyncio.Runner(loop_factory=loop_of_ours) as runner:
        with pytest.raises(Terminate):
            runner.run(terminated())
        assert runner.run(main()) == (0, Interrupt.level, 1)


@pytest.mark.os
@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a SIGINT")
def test_ctrl_c_under_a_runner_is_a_keyboard_interrupt_as_ever():
    async def main():
        os.kill(os.getpid(), signal.SIGINT)
        await forever()

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_of_ours) as runner:
        runner.run(main())


@pytest.mark.os
@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a SIGINT")
@pytest.mark.parametrize("sig", [Drain, Interrupt, Terminate, Kill])
def test_ctrl_c_after_a_signal_does_not_hang(sig):
    async def main():
        me().send_signal(sig("why"))
        os.kill(os.getpid(), signal.SIGINT)
        await forever()

    with pytest.raises((KeyboardInterrupt, sig)), asyncio.Runner(loop_factory=loop_of_ours) as runner:
        runner.run(main())
