"""The two twins of what makes a task: `_speed.c`, where it was built, and its specification in Python.

The rest of the tests run under each; here is what they have in common by name, and what only C can do wrong.
"""

import asyncio
import gc
import os
import subprocess
import sys
import types
import weakref
from pathlib import Path

import pytest

import sigtask
from sigtask import Drain, Terminate
from sigtask._core import factory, native, shim
from sigtask._core.family import descendants
from sigtask._core.stock import get_shim
from sigtask._core.task import FreshTask

ROOT = Path(__file__).resolve().parents[2]
in_c = pytest.mark.skipif(native.speed is None, reason="the twin in C is not built, or SIGTASK_PURE is set")
ASK = "import sigtask; print(sigtask.implementation, type(sigtask.task_factory).__name__)"


async def nothing():
    pass


def answer(**env):
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.split() if done.returncode == 0 else done.stderr


@pytest.mark.os
def test_sigtask_pure_takes_the_twin_in_python():
    assert answer(SIGTASK_PURE="1", SIGTASK_REQUIRE_SPEED="1") == ["Python", "function"]


@pytest.mark.os
@in_c
def test_the_twin_in_c_is_taken_where_it_was_built():
    assert answer(SIGTASK_PURE="0") == ["C", "builtin_function_or_method"]


def test_implementation_names_the_live_twin():
    assert sigtask.implementation == ("C" if native.speed is not None else "Python")
    assert (sigtask.task_factory is factory.py_task_factory) == (sigtask.implementation == "Python")


@in_c
def test_both_shims_have_the_same_methods():
    theirs, ours = (
        {name for name, value in vars(cls).items() if name not in ("__module__", "__doc__", "__slots__")}
        for cls in (shim.Shim, native.speed.Shim)
    )
    assert ours == theirs - {"__annotations__", "__static_attributes__", "__firstlineno__", *shim.BLANK}


@in_c
def test_a_task_made_directly_or_by_name_gets_a_shim_in_c_too():
    async def main():
        sigtask.install()
        tasks = [asyncio.create_task(nothing()), asyncio.create_task(nothing(), name="n"), sigtask.Task(nothing())]
        assert {type(get_shim(task)) for task in tasks} == {native.speed.Shim}
        await asyncio.wait(tasks)

    asyncio.run(main())


class Own:
    """A coroutine as `collections.abc.Coroutine` has it, with a `send` in Python."""

    def __init__(self):
        self.sent = []

    def send(self, value):
        self.sent.append(value)
        if len(self.sent) >= 3:
            raise StopIteration("done")

    def throw(self, error):
        self.sent.append(type(error))

    def close(self):
        pass

    def __await__(self):
        return self


async def test_a_coroutine_that_is_written_as_a_class_is_driven():
    task = asyncio.create_task(Own())
    assert await task == "done"
    assert task.get_coro().sent == [None, None, None]


async def test_a_coroutine_written_as_a_class_goes_on_after_a_signal():
    own = Own()
    task = asyncio.create_task(own)
    await asyncio.sleep(0)
    task.interrupt()
    assert await task == "done"
    assert own.sent[-2:] == [sigtask.Interrupt, None]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="to asyncio, a generator is no coroutine from Python 3.12 on")
async def test_a_generator_made_a_coroutine_is_driven():
    @types.coroutine
    def old():
        yield
        return 7

    assert await asyncio.create_task(old()) == 7


async def test_a_consumed_signal_leaves_the_direct_path():
    # `send` is a method of ours while it is in flight, and the coroutine's own before and after
    async def awaited():
        try:
            await asyncio.sleep(100)
        except Terminate:
            return 7

    async def awaiting():
        return await asyncio.create_task(awaited())

    task = asyncio.create_task(awaiting())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shim = get_shim(task)
    assert shim.send.__self__ is task.get_coro()
    task.terminate()
    assert shim.send.__self__ is shim
    assert await task == 7
    assert shim.send.__self__ is task.get_coro()


@pytest.mark.parametrize("what", [7, None, nothing, Own])
def test_what_is_no_coroutine_is_a_type_error_that_names_it(what):
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(TypeError, match="a coroutine was expected, got "):
            sigtask.task_factory(loop, what)
    finally:
        loop.close()


def test_a_factory_called_wrongly_raises_and_makes_no_task():
    loop, coro = asyncio.new_event_loop(), nothing()
    try:
        for args, options in [((), {}), ((loop,), {}), ((loop, coro, 1), {}), ((loop, coro), {"loop": loop})]:
            with pytest.raises(TypeError):
                sigtask.task_factory(*args, **options)
        with pytest.raises(TypeError):
            sigtask.task_factory(loop, coro, nonsense=1)
        assert not asyncio.all_tasks(loop)
    finally:
        coro.close()
        loop.close()


def test_a_task_can_be_made_for_a_loop_that_does_not_run():
    loop = asyncio.new_event_loop()
    try:
        task = sigtask.task_factory(loop, nothing())
        assert type(task) is FreshTask and task.get_loop() is loop and task._parent is None
        loop.run_until_complete(task)
    finally:
        loop.close()


def test_a_task_made_in_one_loop_for_another_belongs_to_that_one():
    other = asyncio.new_event_loop()

    async def main():
        return sigtask.task_factory(other, nothing())

    try:
        task = asyncio.run(main())
        assert task.get_loop() is other and task._parent is None
        other.run_until_complete(task)
    finally:
        other.close()


async def test_a_task_knows_its_parent_and_a_parent_its_children():
    async def parent():
        me = asyncio.current_task()
        assert descendants([me]) == []
        children = [asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(0))]
        assert {*descendants([me])} == {*children}
        assert [child._parent for child in children] == [me, me]
        await asyncio.wait(children)
        assert descendants([me]) == []
        del children[0]
        return children[0]

    child = await asyncio.create_task(parent())
    await asyncio.sleep(0)
    gc.collect()
    assert child._parent is None


async def test_a_family_of_many_loses_no_child_and_keeps_none():
    async def parent():
        keep = []
        for n in range(300):
            child = asyncio.create_task(asyncio.sleep(n % 3))
            if n % 5:
                keep.append(child)
            if n % 7 == 0 and keep:
                keep.pop(n % len(keep)).cancel()
            await asyncio.sleep(0)
            assert {*descendants([asyncio.current_task()])} <= asyncio.all_tasks()
            assert {one for one in keep if not one.done()} <= {*descendants([asyncio.current_task()])}
        await asyncio.gather(*keep, return_exceptions=True)

    await asyncio.create_task(parent())


async def test_a_task_of_a_stock_parent_knows_it():
    async def parent():
        child = asyncio.create_task(asyncio.sleep(0))
        assert child._parent is asyncio.current_task()
        assert descendants([asyncio.current_task()]) == [child]
        await child

    await asyncio.Task(parent())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks need Python 3.12")
async def test_an_eager_child_of_a_stock_parent_is_known_from_its_first_wait_on():
    async def parent():
        loop, gate = asyncio.get_running_loop(), asyncio.Event()
        done = sigtask.task_factory(loop, nothing(), eager_start=True)
        waits = sigtask.task_factory(loop, gate.wait(), eager_start=True)
        assert (done.done(), descendants([asyncio.current_task()])) == (True, [waits])
        gate.set()
        await waits

    await asyncio.Task(parent())


async def test_the_class_of_a_fresh_task_makes_a_whole_one():
    task = asyncio.create_task(nothing())
    other = type(task)(asyncio.sleep(3600), loop=asyncio.get_running_loop())
    await asyncio.sleep(0)
    other.terminate("why")
    await asyncio.wait([task, other])
    assert other.ended_by.reason == "why"


@in_c
async def test_a_task_that_only_asyncio_has_initialized_has_no_family():
    async def spawns():
        return await asyncio.create_task(asyncio.sleep(0, 7))

    task = FreshTask.__new__(FreshTask)
    assert (task._inbox, task._parent, descendants([task])) == (None, None, [])
    asyncio.Task.__init__(task, spawns(), loop=asyncio.get_running_loop(), name="not by us")
    assert await task == 7
    assert descendants([task]) == []


@in_c
async def test_a_task_is_not_initialized_twice():
    """asyncio allows it before 3.15, and forgets what the task was."""
    task = sigtask.Task(asyncio.sleep(0), loop=asyncio.get_running_loop())
    again = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="initialized already"):
        task.__init__(again, loop=asyncio.get_running_loop())
    assert task._parent is asyncio.current_task()
    again.close()
    await task


@in_c
def test_the_garbage_collector_sees_through_a_shim():
    # task -> shim -> coroutine -> its frame -> task
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed but it is pending!"

    async def holds(box):
        await loop.create_future()

    def lose():
        box = []
        task = sigtask.task_factory(loop, holds(box))
        box.append(task)
        loop.call_soon(loop.stop)
        loop.run_forever()
        return weakref.ref(task)

    try:
        lost = lose()
        gc.collect()
        assert lost() is None
    finally:
        loop.close()


def test_counts_are_flat_over_many_tasks():
    """Spawned, signalled, ended: nothing is left behind, and no reference is taken or given once too often."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "props" / "leaks.py"), "--tasks", "18000"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_signal_to_an_unstarted_task_is_held_or_thrown_as_ever():
    task = asyncio.create_task(asyncio.sleep(0))
    task.send_signal(Drain("low"))
    await task
    assert [str(one.fate.value) for one in task.history] == ["pending"]
