"""R5: a signal is absorbed while one as strong is being handled, and what that is, in whatever shape code has it."""

from __future__ import annotations

import asyncio
import contextlib
import types

import pytest
from tasks import end_of, fates, forever, started

from sigtask import Fate, Interrupt, Kill, Signal, Terminate, catch
from sigtask.testing import turns

kept: list[object] = []


@pytest.fixture(autouse=True)
def forget():
    yield
    kept.clear()


async def waits():
    await forever()


# -- it is being handled ---------------------------------------------------------------------------------------------


async def in_except():
    try:
        await forever()
    except Terminate:
        await forever()


async def in_finally():
    try:
        await forever()
    finally:
        await forever()


async def in_a_function_that_except_calls():
    try:
        await forever()
    except Terminate:
        await waits()


async def in_a_handler_inside_the_handler():
    try:
        await forever()
    except Terminate:
        try:
            raise KeyError  # noqa: B904 -- its context is what this is about
        except KeyError:
            await forever()


async def in_the_handler_of_what_it_was_replaced_by():
    try:
        try:
            await forever()
        except Terminate:
            raise KeyError  # noqa: B904 -- its context is what this is about
    except KeyError:
        await forever()


async def in_an_aexit():
    class Manager:
        async def __aenter__(self):
            pass

        async def __aexit__(self, *error):
            await forever()

    async with Manager():
        await forever()


async def in_an_asynccontextmanager():
    @contextlib.asynccontextmanager
    async def manager():
        try:
            yield
        finally:
            await forever()

    async with manager():
        await forever()


async def in_an_exit_stack():
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(forever)
        await forever()


async def in_an_async_generator():
    async def generates():
        try:
            yield 1
            await forever()
        finally:
            await forever()

    async for _ in generates():
        pass


async def behind_an_await_method():
    class Awaitable:
        def __await__(self):
            return in_except().__await__()

    await Awaitable()


async def in_a_generator_based_coroutine():
    @types.coroutine
    def generates():
        try:
            yield from forever()
        finally:
            yield from forever()

    await generates()


async def while_a_closure_has_it():
    try:
        await forever()
    except Terminate as error:  # noqa: F841
        kept.append(lambda: error)  # noqa: F821
        await forever()


# -- it is not, though it may be alive -------------------------------------------------------------------------------


async def after_the_except():
    with contextlib.suppress(Terminate):
        await forever()
    await forever()


async def after_the_except_that_kept_it():
    try:
        await forever()
    except Terminate as error:
        kept.append(error)
    await forever()


async def with_it_in_a_local():
    try:
        await forever()
    except Terminate as error:
        last = error  # noqa: F841 - a cycle, which the collector has not found yet
    await forever()


async def with_it_in_an_argument():
    async def logs(error):
        await forever()

    try:
        await forever()
    except Terminate as error:
        last = error
    await logs(last)


async def with_it_in_a_closure():
    try:
        await forever()
    except Terminate as error:
        last = error
        kept.append(lambda: last)
    await forever()


async def in_the_next_round_of_a_loop():
    while True:
        try:
            await forever()
        except Terminate as error:
            kept.append(error)
            if len(kept) == 2:
                raise


async def after_a_block_that_caught_it():
    with catch(Terminate) as caught:
        await forever()
    kept.append(caught)
    await forever()


HANDLED = [
    in_except,
    in_finally,
    in_a_function_that_except_calls,
    in_a_handler_inside_the_handler,
    in_the_handler_of_what_it_was_replaced_by,
    in_an_aexit,
    in_an_asynccontextmanager,
    in_an_exit_stack,
    in_an_async_generator,
    behind_an_await_method,
    in_a_generator_based_coroutine,
    while_a_closure_has_it,
]
LEFT = [
    after_the_except,
    after_the_except_that_kept_it,
    with_it_in_a_local,
    with_it_in_an_argument,
    with_it_in_a_closure,
    in_the_next_round_of_a_loop,
    after_a_block_that_caught_it,
]


@pytest.mark.parametrize("body", HANDLED)
async def test_r5_while_it_is_being_handled_an_equal_one_is_absorbed(body):
    task = await started(body())
    task.terminate("first")
    await turns(2)
    assert not task.done()
    task.terminate("second")
    await turns(2)
    assert not task.done()
    assert fates(task) == [(Terminate, Fate.DELIVERED), (Terminate, Fate.ABSORBED)]
    task.kill()


@pytest.mark.parametrize("body", HANDLED)
async def test_r5_a_stronger_one_cuts_into_its_handling(body):
    task = await started(body())
    task.terminate("first")
    await turns(2)
    task.kill("second")
    await turns(2)
    assert type(task.ended_by) is Kill


@pytest.mark.parametrize("body", LEFT)
async def test_r5_when_its_handling_is_over_an_equal_one_is_thrown_again(body):
    task = await started(body())
    task.terminate("first")
    await turns(2)
    assert not task.done()
    task.terminate("second")
    await turns(2)
    assert task.ended_by.reason == "second"


async def test_r5_except_and_continue_works_every_time():
    async def worker():
        for _ in range(50):
            try:
                await forever()
            except Interrupt:
                continue
        return "through"

    task = await started(worker())
    for _ in range(50):
        task.interrupt()
        await turns(2)
    assert await end_of(task) == "through"


async def test_r5_weaker_ones_are_absorbed_too_and_come_again_afterwards():
    async def worker():
        with contextlib.suppress(Terminate):
            try:
                await forever()
            finally:
                await turns(4)
        await forever()

    task = await started(worker())
    task.terminate()
    await turns(2)
    task.interrupt("too early")
    await turns(6)
    task.interrupt("now")
    assert (await end_of(task)).reason == "now"
    assert [one.fate for one in task.history] == [Fate.DELIVERED, Fate.ABSORBED, Fate.DELIVERED]


@pytest.mark.parametrize("kind", [Signal, Terminate])
async def test_r16_catch_takes_back_all_that_came_in_the_block(kind):
    """A second signal cut into the cleanup of the first: no CancelledError that nobody sent comes out."""

    async def worker():
        with catch(kind) as caught:
            try:
                await forever()
            finally:
                await forever()
        await turns(2)
        return caught.signal.reason, asyncio.current_task().cancelling()

    task = await started(worker())
    task.interrupt("first")
    await turns(2)
    task.terminate("second")
    assert await end_of(task) == ("second", 0)


async def test_r16_something_stronger_than_catch_names_goes_on_as_it_is():
    async def worker():
        with catch(Interrupt):
            try:
                await forever()
            finally:
                await forever()

    task = await started(worker())
    task.interrupt("first")
    await turns(2)
    task.terminate("second")
    error = await end_of(task)
    assert (type(error), error.reason) == (Terminate, "second")
