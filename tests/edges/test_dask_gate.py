"""The gate that jobs of a cluster leave by when many end at once."""

import asyncio

import pytest

pytest.importorskip("distributed")

from sigtask.dask._gate import Gate  # noqa: E402


async def walk(gate, number, passed, turn):
    waiter = asyncio.get_running_loop().create_future()
    gate.enter(waiter)
    await waiter
    passed.append((turn[0], number))


def turns_of(count, room, cancel=()):
    """In which turn of the loop, counted from the first, each of so many that come at once goes through."""

    async def main():
        loop = asyncio.get_running_loop()
        gate, passed, turn = Gate(room), [], [0]
        tasks = [asyncio.ensure_future(walk(gate, number, passed, turn)) for number in range(count)]
        await asyncio.sleep(0)
        for number in cancel:
            tasks[number].cancel()
        while not all(task.done() for task in tasks):
            turn[0] += 1
            await asyncio.sleep(0)
        again = loop.create_task(walk(gate, "later", passed, turn))
        await again
        return passed

    return asyncio.run(main())


def test_a_few_are_not_held_up():
    assert [turn for turn, _ in turns_of(3, room=3)][:3] == [0, 0, 0]


def test_a_crowd_goes_through_in_order_and_so_many_a_turn():
    passed = turns_of(10, room=3)
    assert [number for _, number in passed] == [*range(10), "later"]
    turns = [turn for turn, _ in passed[:10]]
    assert max(turns.count(turn) for turn in turns) == 3
    assert max(turns) - min(turns) <= 4  # and none of them stands still


def test_who_is_cancelled_as_he_waits_takes_nobodys_turn():
    passed = turns_of(9, room=2, cancel=(2, 3, 4, 5))
    assert [number for _, number in passed] == [0, 1, 6, 7, 8, "later"]
    turns = [turn for turn, _ in passed[2:4]]
    assert turns[0] == turns[1]
