"""Bad input to stop(): a clear error that says what to do, and nothing half-done (R25)."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
from tasks import forever

from sigtask import Drain, Kill, Ladder, Terminate, install, stop, task_factory
from sigtask.testing import turns

FIRM = Ladder((Terminate, 5), (Kill, 1))


@pytest.fixture
def other_loop():
    loop = asyncio.new_event_loop()
    loop.set_task_factory(task_factory)
    task = loop.create_task(forever())
    yield task
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()


async def refused(error, match, *tasks, **kwargs):
    """`stop()` raises that error, and an innocent task beside it was not sent anything."""
    innocent = asyncio.create_task(forever())
    await turns(1)
    with pytest.raises(error, match=match):
        await stop(innocent, *tasks, **kwargs)
    await turns(3)
    assert (innocent.done(), innocent.history) == (False, ())
    assert not innocent._callbacks
    innocent.kill()


async def test_r25_stop_without_tasks_is_a_value_error():
    with pytest.raises(ValueError, match=r"at least one task; .* sigtask.run\(\)"):
        await stop()


async def test_r25_a_task_of_another_loop_is_a_value_error(other_loop):
    await refused(ValueError, r"belongs to another loop; call stop\(\) in a coroutine that runs there", other_loop)
    assert other_loop.history == ()


async def test_r25_the_calling_task_is_a_runtime_error():
    await refused(RuntimeError, r"cannot stop\(\) itself; raise a signal, or send one", asyncio.current_task())


async def test_r25_a_coroutine_is_a_type_error_that_says_how_to_make_a_task():
    coro = forever()
    await refused(TypeError, r"takes asyncio tasks, got <coroutine .*asyncio.create_task\(\)", coro)
    coro.close()


@pytest.mark.parametrize("what", [None, 42, "task", Terminate, [], FIRM], ids=repr)
async def test_r25_what_is_no_task_is_a_type_error(what):
    await refused(TypeError, "takes asyncio tasks, got", what)


async def test_r25_a_list_of_tasks_is_a_type_error_that_does_not_show_them_all():
    task = asyncio.create_task(forever())
    await refused(TypeError, r"takes asyncio tasks, got a list of 1000; say stop\(\*tasks\)$", [task] * 1000)
    task.kill()


async def test_r25_a_future_is_a_type_error():
    await refused(TypeError, "takes asyncio tasks, got", asyncio.get_running_loop().create_future())


@pytest.mark.parametrize("ladder", [5, "drain=10s,kill", Kill, (Kill, 1), [(Drain, 1)]])
async def test_r25_what_is_no_ladder_is_a_type_error(ladder):
    await refused(TypeError, r"give a sigtask.Ladder, for example Ladder.parse", ladder=ladder)


async def test_r25_a_reason_that_cannot_be_printed_is_an_error_before_anything_is_sent():
    class Shy:
        def __str__(self):
            raise ZeroDivisionError("shy")

    await refused(ZeroDivisionError, "shy", reason=Shy())


async def test_r25_a_call_that_is_not_awaited_sends_nothing():
    task = asyncio.create_task(forever())
    await turns(1)
    stopping = stop(task, ladder=FIRM)
    stopping.close()
    assert task.history == ()
    task.kill()


def test_r25_after_bad_input_no_task_future_or_warning_is_left():
    async def main():
        install()
        with pytest.raises(TypeError):
            await stop(42)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()
