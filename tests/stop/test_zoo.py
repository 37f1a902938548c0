"""The zoo: R18 and R25 for tasks that will not die. docs/zoo.md is what is expected of each."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import inspect
import os
import sys
from pathlib import Path

import pytest

import sigtask
from sigtask import Interrupt, Kill, Ladder, Task, Terminate, abandoned_count, catch, mask, stop
from sigtask.testing import turns, zoo
from sigtask.testing.zoo import ZOO, Animal
from sigtask.testing.zoo.__main__ import main, page
from sigtask.testing.zoo._watch import begun, effect, killing, send

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "zoo.md").read_text("utf-8")
LADDER = Ladder((Interrupt, 0.02), (Terminate, 0.02), (Kill, 5))
DEBUG = sys.flags.dev_mode or bool(os.environ.get("PYTHONASYNCIODEBUG"))
"""Then asyncio notes for each task where it was made, and prints slow steps with all that they await."""
CROWDS = ("deep_coroutines", "deep_tasks", "gathers_a_crowd")
IN_LOOP = [animal for animal in ZOO.values() if animal.reach == "stop"]
every_animal = pytest.mark.parametrize("animal", IN_LOOP, ids=str)


@pytest.fixture(autouse=True)
def room_for_deep_chains():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(25_000)
    yield
    sys.setrecursionlimit(before)


def fit(animal: Animal, loop_kind: str) -> Animal:
    """The crowds in full where it counts, smaller elsewhere: a test has its time."""
    if animal.name in CROWDS and (DEBUG or loop_kind != "asyncio"):
        return dataclasses.replace(animal, make=functools.partial(animal.make, 100 if DEBUG else 500))
    return animal


def said_of(animal: Animal) -> list[str]:
    """What the page says: Interrupt, Terminate, Kill, turns, ending, stop()'s verdict."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {animal.name} |"))
    return [cell.strip() for cell in row.strip("|").split("|")][2:]


def others() -> set[asyncio.Task]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def clear():
    """End what a scene left behind."""
    for _ in range(5):
        for task in others():
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            if isinstance(task, Task):
                asyncio.get_running_loop().call_soon(task.kill)
        await turns(3)
    assert not others()


async def stopped(*tasks: asyncio.Task) -> sigtask.Report:
    """`stop()`, and the clock goes on although an animal never lets it."""
    ended = asyncio.create_task(stop(*tasks, ladder=LADDER))
    advance = getattr(asyncio.get_running_loop(), "advance", lambda seconds: None)
    while not ended.done():
        await turns(1)
        advance(0.001)
    return ended.result()


# -- each animal, on each loop ----------------------------------------------------------------------------------------


@every_animal
async def test_interrupt_and_terminate_do_what_the_page_says(animal):
    expected = said_of(animal)
    for cls, said in zip((Interrupt, Terminate), expected, strict=False):
        assert await effect(fit(animal, "small"), cls) == said
        await clear()


@every_animal
async def test_r18_a_kill_ends_it_within_the_turns_that_the_page_says(animal, loop_kind):
    _, _, kill, turns_said, ended, _ = said_of(animal)
    seen, count, how = await killing(fit(animal, loop_kind))
    assert (seen, how) == (kill, ended)
    assert count <= max(2, int(turns_said))
    await clear()


@every_animal
async def test_r25_stop_ends_it_and_leaves_no_task_and_nothing_to_complain_of(animal):
    task = await begun(fit(animal, "small"))
    if animal.name == "fights_back":
        with catch(Terminate), mask(Terminate, plain=True):
            report = await stopped(task)
    else:
        report = await stopped(task)
    del task
    assert report.survivors == ()
    await turns(3)
    assert not others()
    gc.collect()  # what was never retrieved, or destroyed while pending, is told to the loop now: `conftest` looks


@every_animal
async def test_r11_a_drain_is_held(animal):
    task = await begun(fit(animal, "small"))
    asyncio.get_running_loop().call_soon(task.drain)
    await turns(2)
    assert not task.done()
    assert [one.fate for one in task.history] == [sigtask.Fate.PENDING]
    await clear()


# -- some of them -----------------------------------------------------------------------------------------------------


async def test_a_killed_hoarder_lets_its_lock_go():
    lock = asyncio.Lock()
    task = asyncio.create_task(zoo.hoards_a_lock(lock))
    await turns(2)
    assert lock.locked()
    task.kill()
    await turns(2)
    assert not lock.locked()


async def test_r19_what_swallows_base_exception_is_abandoned_and_counted():
    before = abandoned_count()
    task = await begun(ZOO["swallows_base_exception"])
    report = await stopped(task)
    assert report.tasks[0].abandoned
    assert report.tasks[0].refused == 20
    assert abandoned_count() == before + 1


async def test_r25_a_kill_rung_takes_the_children_that_a_last_cleanup_spawns():
    task = await begun(ZOO["breeds"])
    report = await stopped(task)
    late = [row for row in report.tasks if row.stood.keys() == {"kill"}]
    assert len(late) >= 10  # one for each await that the Kill refused
    assert {row.ended for row in late} == {"ended by Kill"}


async def test_r25_a_kill_rung_gives_up_on_what_has_a_child_in_every_last_cleanup():
    async def hydra():
        try:
            await asyncio.sleep(3600)
        finally:
            if not over:
                heads.append(asyncio.create_task(hydra()))

    heads, over = [], False
    task = asyncio.create_task(hydra())
    await turns(2)
    report = await stop(task, ladder=Ladder(Kill))
    assert report.tasks[0].ended == "ended by Kill"
    assert len(heads) <= 10
    over = True
    await clear()


async def test_r25_an_animal_that_terminates_its_killer_ends_the_stop_and_stays():
    async def killer():
        await turns(1)  # an eager task has its name by then
        await stop(task, ladder=LADDER)

    task = await begun(ZOO["fights_back"])
    stopping = asyncio.create_task(killer(), name="the killer")
    await asyncio.wait([stopping])
    assert stopping.cancelled()
    assert stopping.ended_by.reason == "you first"
    assert not task.done()
    await clear()


async def test_r25_a_zoo_is_stopped_as_fast_as_one_animal():
    tasks = [await begun(animal) for animal in IN_LOOP if animal.name not in (*CROWDS, "fights_back")]
    report = await stopped(*tasks)
    assert report.survivors == ()
    assert all(task.done() for task in tasks)
    await turns(3)
    assert not others()


@pytest.mark.parametrize("factory", [None, sigtask.task_factory], ids=["asyncio", "sigtask"])
def test_at_the_default_recursion_limit_a_deep_chain_of_coroutines_fails_as_in_asyncio(factory):
    async def program():
        asyncio.get_running_loop().set_task_factory(factory)
        task = asyncio.create_task(zoo.deep_coroutines())
        await asyncio.wait([task])
        return type(task.exception())

    sys.setrecursionlimit(1000)
    assert asyncio.run(program()) is RecursionError


@pytest.mark.clock
@pytest.mark.lazy
async def test_a_signal_needs_no_recursion_for_a_deep_chain_of_tasks():
    sys.setrecursionlimit(1000)
    task = asyncio.create_task(zoo.deep_tasks(1500 if DEBUG else 10_000))
    await turns(3)
    await send(task, Terminate)
    while not task.done():
        await turns(1000)
    assert isinstance(task.ended_by, Terminate)
    assert not others()


@pytest.mark.clock
@pytest.mark.lazy
@pytest.mark.skipif(sigtask.implementation != "C", reason="in pure Python each task of a chain takes two calls")
async def test_r4_a_plain_cancel_reaches_as_far_down_a_chain_of_tasks_as_asyncios():
    task = asyncio.create_task(zoo.deep_tasks(900))
    await turns(3)
    assert task.cancel("enough")
    assert {other.cancelling() for other in others()} == {1}
    while not task.done():
        await turns(1000)
    assert task.cancelled()
    assert not others()


async def test_r4_a_plain_cancel_of_a_ring_raises_recursion_error_as_in_asyncio_and_a_signal_opens_it():
    task = await begun(ZOO["sits_in_a_ring"])
    with pytest.raises(RecursionError):
        task.cancel()
    await turns(3)
    assert not task.done()
    await send(task, Terminate)
    await turns(10)
    assert isinstance(task.ended_by, Terminate)
    assert not others()


# -- the zoo itself ---------------------------------------------------------------------------------------------------


def test_every_animal_is_public_documented_and_on_the_page():
    assert {animal.make.__name__ for animal in ZOO.values()} <= set(zoo.__all__)
    assert [name for name in zoo.__all__ if name != "ZOO" and not inspect.getdoc(getattr(zoo, name))] == []
    assert all(said_of(animal) for animal in ZOO.values())


def test_the_page_has_what_the_command_prints(capsys):
    assert main(["uncancels", "masks_for_ever"]) == 0
    printed = capsys.readouterr().out
    assert printed == page([ZOO["uncancels"], ZOO["masks_for_ever"]])
    assert set(printed.splitlines()) <= set(PAGE.splitlines())


def test_an_unknown_animal_is_named_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["unicorn"])
    assert "no such animal: unicorn; there are swallows_cancelled_error" in capsys.readouterr().err
