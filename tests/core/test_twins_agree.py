"""What the twin in C once did otherwise than its specification, or did wrong: found by reading it line by line."""

import asyncio

import pytest

import sigtask
from sigtask import Terminate


async def sleeps():
    await asyncio.sleep(100)


async def turns(n=2):
    for _ in range(n):
        await asyncio.sleep(0)


def run(main, *, eager=False):
    async def begin():
        sigtask.install(eager=eager)
        return await asyncio.create_task(main())

    return asyncio.run(begin())


# -- what a parent handles when it cancels a child (R9) --------------------------------------------------------------------


async def cause_of_a_cancel_in(handler):
    async def parent():
        child = asyncio.create_task(sleeps())
        try:
            await asyncio.sleep(100)
        except Terminate:
            handler(child)
        with pytest.raises(asyncio.CancelledError) as caught:
            await child
        return caught.value.__cause__

    task = asyncio.create_task(parent())
    await turns()
    task.terminate("disk full")
    return await task


def test_a_cancel_in_the_handler_of_a_builtin_error_has_the_parents_signal_as_its_cause():
    def handler(child):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:  # of which no weak reference can be had
            child.cancel()

    assert run(lambda: cause_of_a_cancel_in(handler)).reason == "disk full"


def test_a_ring_of_contexts_does_not_hang_a_cancel():
    def handler(child):
        one, other = OSError(1), OSError(2)
        one.__context__, other.__context__ = other, one
        try:
            raise one
        except OSError:
            one.__context__ = other  # Python has cut the ring open
            child.cancel()

    assert run(lambda: cause_of_a_cancel_in(handler)) is None
