"""What is told of a task, and how a look at very many is taken in slices."""

import ast
import asyncio
import gc
import itertools
import json
import math
import threading
import time

import pytest

import sigtask
from sigtask import Drain, Terminate, create_task, mask, on_signal
from sigtask.control._book import SLICE, Book, Look
from sigtask.control._finding import NotFound, find


def book_of(loop):
    return Book(loop, 1, itertools.count(1))


def rows(book, **options):
    look, found = Look(book, **{"fresh": True, "stacks": False, **options}), []
    look.budget = math.inf  # whatever the machine does meanwhile
    while (part := look.step()) is not None:
        found += map(json.loads, part)
    return {row["name"]: row for row in found}


async def forever():
    await asyncio.sleep(10**6)  # the loop's timer keeps it alive


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_row_says_who_it_is_where_it_stands_and_who_has_spawned_it():
    book = book_of(asyncio.get_running_loop())

    async def parent():
        await create_task(forever(), name="child")

    create_task(parent(), name="parent")
    await settle()
    found = rows(book)
    child, above = found["child"], found["parent"]
    assert child["parent"] == above["id"] and child["id"] != above["id"]
    assert child["coroutine"] == "forever" and child["state"] == "waiting" and child["threshold"] == 20
    assert child["where"].endswith("in forever") and "test_looking.py" in child["where"]
    assert (child["pending"], child["in_force"]) == ([], None)
    assert 0 <= time.monotonic() - child["born"] < 60


async def test_a_row_has_what_is_pending_and_what_is_being_handled_each_with_its_reason_and_sender():
    book = book_of(asyncio.get_running_loop())

    async def cleaning():
        try:
            await forever()
        except Terminate:
            await forever()

    task = create_task(cleaning(), name="cleaning")
    await settle()
    task.terminate("disk full")
    task.drain(ValueError("later"))
    await settle()
    row = rows(book)["cleaning"]
    force, (pending,) = row["in_force"], row["pending"]
    assert (force["signal"], force["level"], force["reason"], force["fate"]) == (
        "Terminate",
        30,
        "disk full",
        "delivered",
    )
    assert (pending["signal"], pending["reason"], pending["fate"]) == ("Drain", "ValueError: later", "pending")
    assert force["sender"] == asyncio.current_task().get_name()


async def test_a_row_has_the_threshold_of_the_open_blocks():
    book = book_of(asyncio.get_running_loop())

    async def masked():
        with mask(Terminate):
            await forever()

    create_task(masked(), name="masked")
    await settle()
    assert rows(book)["masked"]["threshold"] == 31


async def test_a_task_that_waits_no_more_is_looked_at_anew():
    book, event = book_of(asyncio.get_running_loop()), asyncio.Event()

    async def spins():
        await event.wait()
        while True:
            await asyncio.sleep(0)

    create_task(spins(), name="spins")
    await settle()
    assert rows(book, fresh=False)["spins"]["state"] == "waiting"
    event.set()
    await settle()
    gc.collect()
    assert rows(book, fresh=False)["spins"]["state"] == "ready"


@pytest.mark.lazy
async def test_states_tell_new_ready_and_waiting_apart():
    book, event = book_of(asyncio.get_running_loop()), asyncio.Event()
    task, cancelled = (create_task(event.wait(), name=name) for name in ("task", "cancelled"))
    assert rows(book)["task"]["state"] == "new"
    await settle()
    assert rows(book)["task"]["state"] == "waiting"
    event.set()
    cancelled.cancel()
    assert {rows(book)[name]["state"] for name in ("task", "cancelled")} == {"ready"}
    await task


async def test_a_stock_task_has_no_threshold_and_is_there_all_the_same():
    loop = asyncio.get_running_loop()
    book = book_of(loop)
    stock = asyncio.Task(forever(), loop=loop, name="stock")
    await settle()
    row = rows(book)["stock"]
    assert row["threshold"] is None and row["born"] is None and row["where"].endswith("in forever")
    stock.cancel()


async def test_stacks_have_the_lines_of_all_that_is_awaited_the_innermost_last():
    book = book_of(asyncio.get_running_loop())

    async def outer():
        await forever()

    create_task(outer(), name="deep")
    await settle()
    stack = rows(book, stacks=True)["deep"]["stack"]
    assert [place.rpartition(" in ")[2].rpartition(".")[2] for place in stack] == ["outer", "forever"]


async def test_what_a_name_or_a_reason_does_in_its_str_harms_nobody():
    book = book_of(asyncio.get_running_loop())

    class Odd:
        def __str__(self):
            raise ZeroDivisionError

    task = create_task(forever(), name="\ud800\x1b[2J" + "x" * 10**6)
    await settle()
    task.drain(Odd())
    (row,) = (row for name, row in rows(book).items() if name.startswith("\ud800"))
    assert len(row["name"]) == 200
    assert row["pending"][0]["reason"] == "<Odd, whose str() raises ZeroDivisionError>"


async def test_numbers_are_given_in_the_order_of_birth_and_never_twice():
    book = book_of(asyncio.get_running_loop())
    first = [create_task(forever()) for _ in range(3)]
    before = {row["id"] for row in rows(book).values()}
    for task in first:
        task.kill()
    await settle()
    del task, first
    gc.collect()
    create_task(forever(), name="next")
    assert rows(book)["next"]["id"] > max(before)


async def test_a_book_keeps_no_task_alive():
    book = book_of(asyncio.get_running_loop())
    before = len(book)
    tasks = [create_task(asyncio.sleep(0)) for _ in range(100)]
    rows(book)
    await asyncio.wait(tasks)
    del tasks
    await settle()
    gc.collect()
    assert len(book) == before


async def test_a_closed_book_leaves_the_loop_as_it_was():
    loop = asyncio.get_running_loop()
    book = book_of(loop)
    assert "create_task" in vars(loop)
    book.close()
    assert "create_task" not in vars(loop)


async def test_who_asks_again_is_given_the_rows_of_what_has_not_moved_and_new_ones_of_what_has():
    book, event = book_of(asyncio.get_running_loop()), asyncio.Event()

    async def moving():
        await event.wait()
        await forever()

    create_task(moving(), name="moving")
    create_task(forever(), name="still")
    told = create_task(forever(), name="told")
    await settle()
    first = rows(book, fresh=False)
    event.set()
    told.drain("now")
    await settle()
    again = rows(book, fresh=False)
    assert again["still"] == first["still"]
    assert again["moving"]["where"] != first["moving"]["where"]
    assert [one["reason"] for one in again["told"]["pending"]] == ["now"]


async def test_a_look_that_would_take_too_long_says_how_many_rows_are_old_and_comes_to_them_next(monkeypatch):
    monkeypatch.setattr("sigtask.control._book.BUDGET", 0.0)
    book = book_of(asyncio.get_running_loop())

    async def moving():
        while True:
            await asyncio.sleep(0)

    for number in range(200):
        create_task(moving(), name=f"moving {number}")
    await settle()
    rows(book, fresh=False)
    await settle()
    look = Look(book, fresh=False, stacks=False)
    while look.step() is not None:
        pass
    assert look.stale > 100


async def test_a_task_that_is_gone_is_in_no_row():
    book = book_of(asyncio.get_running_loop())
    task = create_task(forever(), name="gone")
    await settle()
    assert "gone" in rows(book, fresh=False)
    task.kill()
    await settle()
    assert "gone" not in rows(book, fresh=False)


async def test_only_those_that_are_asked_for_are_looked_at():
    book = book_of(asyncio.get_running_loop())
    create_task(forever(), name="a")
    create_task(forever(), name="b")
    await settle()
    number = rows(book)["b"]["id"]
    assert [*rows(book, only=frozenset([number]), stacks=True)] == ["b"]


async def test_a_callback_of_a_block_hides_nothing_of_a_row():
    book = book_of(asyncio.get_running_loop())

    async def handling():
        with on_signal(Drain, lambda signal: None):
            await forever()

    task = create_task(handling(), name="handling")
    await settle()
    task.drain()
    assert rows(book)["handling"]["pending"] == []


# -- in slices --------------------------------------------------------------------------------------------------------


def test_100_000_tasks_are_looked_at_in_slices_of_the_loops_time():
    async def main():
        book = book_of(asyncio.get_running_loop())
        tasks = [create_task(forever()) for _ in range(100_000)]
        await settle()
        look, slices, count = Look(book, fresh=True, stacks=False), [], 0
        gc.collect()
        gc.freeze()
        while True:
            began = time.thread_time()  # the processor's time: others work on the machine, too
            part = look.step()
            slices.append(time.thread_time() - began)
            if part is None:
                break
            count += len(part)
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return count, slices

    try:
        count, slices = sigtask.run(main(), debug=False)
    finally:
        gc.unfreeze()
    assert count == 100_001 and len(slices) > 20
    assert max(slices) < 0.05
    assert sorted(slices)[len(slices) // 2] < 4 * SLICE


# -- which are meant --------------------------------------------------------------------------------------------------


async def test_tasks_are_found_by_id_by_name_and_by_pattern_each_once():
    book = book_of(asyncio.get_running_loop())
    a, b, c = (create_task(forever(), name=name) for name in ("a b", "x-1", "x-2"))
    number = book.number_of(a)
    assert find([number, "a b", str(number), "x-*", "x-1"], [book]) == {book: [a, b, c]}


async def test_a_name_of_digits_wins_over_an_id():
    book = book_of(asyncio.get_running_loop())
    first, named = create_task(forever()), create_task(forever())
    named.set_name(str(book.number_of(first)))
    assert find([named.get_name()], [book]) == {book: [named]}
    assert find([book.number_of(first)], [book]) == {book: [first]}


@pytest.mark.parametrize("word", ["nobody", "no*", 10**9, -1, "10000000", "[", "\ud800"])
async def test_a_word_that_names_nobody_says_so(word):
    book = book_of(asyncio.get_running_loop())
    with pytest.raises(NotFound, match="sigtask ps"):
        find([word], [book])


async def test_a_name_that_many_have_is_not_guessed_at():
    book = book_of(asyncio.get_running_loop())
    for _ in range(20):
        create_task(forever(), name="twin")
    with pytest.raises(NotFound, match=r"20 tasks are called 'twin': \d+, .*\.\.\.; name one by its id"):
        find(["twin"], [book])


@pytest.mark.parametrize("name", ["twin", "a*", "[x]", "!a", "?", "two words", "漢字"])
async def test_the_pattern_that_is_offered_for_all_of_one_name_fits_no_other(name):
    book = book_of(asyncio.get_running_loop())
    named = [create_task(forever(), name=name) for _ in range(3)]
    others = [create_task(forever(), name=f"{name[:-1]}{char}") for char in "xy-"]
    with pytest.raises(NotFound, match="or all of them as ") as told:
        find([name], [book])
    pattern = ast.literal_eval(str(told.value).partition("or all of them as ")[2])
    assert find([pattern], [book]) == {book: named} and len(others) == 3


async def test_a_name_of_any_length_is_found():
    book = book_of(asyncio.get_running_loop())
    task = create_task(forever(), name="x" * 5000)
    assert find(["x" * 5000], [book]) == {book: [task]}


async def test_to_name_some_of_very_many_tasks_makes_no_objects_for_the_others():
    """With as many new objects as there are tasks, the garbage collector would go through all, and hold the loop."""
    book = book_of(asyncio.get_running_loop())
    tasks = [create_task(forever(), name=f"x {number}") for number in range(5000)]
    before = gc.get_count()[0]
    gc.disable()
    try:
        assert len(find(["x 17", "x 3*"], [book])[book]) == 1112
        assert gc.get_count()[0] - before < 500
    finally:
        gc.enable()
    assert len(tasks) == 5000


def test_a_blocked_loop_is_looked_at_from_another_thread():
    loop, in_it, go_on = asyncio.new_event_loop(), threading.Event(), threading.Event()
    book = book_of(loop)

    async def blocking():
        in_it.set()
        go_on.wait(30)

    async def main():
        task = create_task(forever(), name="still")
        await asyncio.sleep(0)
        await create_task(blocking(), name="blocking")
        task.cancel()

    sigtask.install(loop)
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert in_it.wait(30)
        found = rows(book)
        place = book.place()
    finally:
        go_on.set()
        thread.join()
        loop.close()
    assert found["blocking"]["state"] == "running" and found["blocking"]["where"] == place
    assert "test_looking.py" in place and place.endswith(
        "in test_a_blocked_loop_is_looked_at_from_another_thread.<locals>.blocking"
    )
    assert found["still"]["state"] == "waiting"
