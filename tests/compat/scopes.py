"""What every library's scopes must do, whichever way they are nested with our blocks.

A test file imports these tests, and has two tables for them: SCOPES, of ways to make a scope in which nothing happens,
and FIRING, of ways to make one that ends after so many seconds, each with what it raises then (`None` for nothing).
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from peers import BLOCKS, WORDS, ended, entered, fates, forever, me, now, say, started, told


def pytest_generate_tests(metafunc):
    """`scope` and `firing` are one entry of the tables of the file that a test is in."""
    for fixture, table in (("scope", "SCOPES"), ("firing", "FIRING")):
        if fixture in metafunc.fixturenames:
            entries = getattr(metafunc.module, table)
            metafunc.parametrize(fixture, list(entries.values()), ids=list(entries))


async def test_a_scope_around_a_block_changes_nothing(scope, block):
    assert await fates(scope, BLOCKS[block]) == told(block)


async def test_a_scope_inside_a_block_changes_nothing(scope, block):
    assert await fates(BLOCKS[block], scope) == told(block)


@pytest.mark.parametrize("outside", [True, False], ids=["around", "inside"])
async def test_a_deadline_fires_as_it_would_without_the_block(firing, block, outside):
    make, raises = firing
    scopes = [make(5), BLOCKS[block]()]
    first, second = scopes if outside else reversed(scopes)
    with pytest.raises(raises) if raises else contextlib.nullcontext():
        async with entered(first):
            async with entered(second):
                await forever()
    assert (now(), me().cancelling()) == (5, 0)


@pytest.mark.parametrize("first", ["signal", "scope"])
async def test_a_signal_in_the_turn_of_a_deadline_is_not_lost(firing, first, word):
    make, raises = firing

    async def worker():
        async with entered(make(5)):
            await forever()
        return "moved on"

    task = None
    if first == "signal":
        asyncio.get_running_loop().call_at(5, lambda: say(task, word))
    task = await started(worker())
    if first == "scope":
        asyncio.get_running_loop().call_at(5, say, task, word)
    assert await ended(task) == ((raises or "moved on") if word == "drain" else WORDS[word])
