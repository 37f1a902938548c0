"""anyio, which reads task internals and cancels again on every turn: as on stock tasks, with signals in between."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

anyio = pytest.importorskip("anyio")

from peers import (  # noqa: E402
    BLOCKS,
    HELD,
    WORDS,
    ended,
    forever,
    me,
    now,
    on_ours,
    on_stock,
    say,
    started,
    stopped,
    told,
)
from scopes import (  # noqa: E402, F401
    test_a_deadline_fires_as_it_would_without_the_block,
    test_a_scope_around_a_block_changes_nothing,
    test_a_scope_inside_a_block_changes_nothing,
    test_a_signal_in_the_turn_of_a_deadline_is_not_lost,
)

from sigtask import Drain, Fate, Interrupt, Kill, Task, Terminate, accept, catch, mask, on_signal  # noqa: E402
from sigtask.testing import turns  # noqa: E402

pytestmark = pytest.mark.clock

SCOPES = {
    "scope": anyio.CancelScope,
    "shield": lambda: anyio.CancelScope(shield=True),
    "move_on_after": lambda: anyio.move_on_after(50),
    "fail_after": lambda: anyio.fail_after(50),
    "task group": lambda: anyio.create_task_group(),
}
FIRING = {"move_on_after": (anyio.move_on_after, None), "fail_after": (anyio.fail_after, TimeoutError)}
PLAIN = asyncio.CancelledError


# -- level-triggered: cancelled again on every turn ------------------------------------------------------------


@pytest.mark.parametrize("order", ["signal first", "scope first", "same turn"])
async def test_a_scope_that_cancels_again_and_again_meets_a_signal_in_the_cleanup(order, word):
    """The task ends, whatever comes first, and what was said is on record."""

    async def worker():
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            try:
                await forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(3)
        await forever()

    scopes = []
    task = await started(worker())
    steps = [lambda: say(task, word), scopes[0].cancel]
    for step in reversed(steps) if order == "scope first" else steps:
        step()
        await turns(0 if order == "same turn" else 4)
    if word == "drain":  # held: the scope ends, and what comes after it goes on
        await asyncio.sleep(5)
        assert not task.done() and task.cancelling() == 0
        task.kill("why")
    assert await ended(task) is (Kill if word == "drain" else WORDS[word])
    assert [one.fate for one in task.history][-1:] == ([] if word == "cancel" else [Fate.DELIVERED])


async def test_a_plain_cancel_on_every_turn_after_a_signal_does_not_undo_it(word):
    """What a cancelled scope does to each of its tasks: cancel it again for as long as it lives."""

    async def worker():
        for _ in range(5):
            with contextlib.suppress(PLAIN):
                await forever()
        return "swallowed"

    async def nag():
        while not task.done():
            if task._fut_waiter is None or not task._fut_waiter.done():
                task.cancel("Cancelled via cancel scope 0")
            await asyncio.sleep(0)

    task = await started(worker())
    say(task, word)
    await nag()
    assert await ended(task) == (Kill if word == "kill" else "swallowed")


async def test_a_caught_signal_inside_a_scope_leaves_it_working():
    with anyio.move_on_after(5) as scope:
        with catch(Interrupt) as caught:
            me().interrupt("why")
            await forever()
        assert me().cancelling() == 0
        await forever()
    assert (caught.signal.reason, scope.cancelled_caught, me().cancelling(), now()) == ("why", True, 0, 5)


async def test_a_cancelled_scope_inside_a_catch_leaves_it_working():
    with catch(Interrupt) as caught:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await forever()
        me().interrupt("why")
        await forever()
    assert (caught.signal.reason, me().cancelling()) == ("why", 0)


async def test_a_scope_in_the_cleanup_of_a_signal_works():
    async def worker():
        try:
            await forever()
        finally:
            with anyio.move_on_after(5) as scope:
                await forever()
            seen.append((scope.cancelled_caught, me().cancelling(), now()))

    seen = []
    task = await started(worker())
    task.terminate("why")
    assert await ended(task) is Terminate
    assert seen == [(True, 1, 5)]


async def test_a_mask_in_a_cancelled_scope_holds_the_signal_and_not_the_scope():
    async def worker():
        with anyio.move_on_after(5) as scope:
            with mask():
                try:
                    await forever()
                finally:
                    me().terminate("why")
                    log.append(me().threshold)
        log.append(scope.cancelled_caught)
        await forever()

    log = []
    task = await started(worker())
    assert await ended(task) is Terminate
    assert log[0] > Terminate.level


# -- a group full of graded tasks ------------------------------------------------------------


def how(task):
    return type(task.exception()).__name__ if not task.cancelled() and task.exception() else task.cancelled()


async def group(act, *, shielded=False):
    """A group of five kinds of children; gives how the host and each child ended, when, and the counts."""
    children, counts, loop = {}, [], asyncio.get_running_loop()

    async def child(kind):
        children[kind] = me()
        try:
            with anyio.CancelScope(shield=kind == "shielded"):
                if kind == "timed":
                    with anyio.move_on_after(2):
                        await forever()
                await (anyio.sleep(4) if kind in ("quick", "shielded") else forever())
        finally:
            if kind == "cleans up":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)
            counts.append((kind, me().cancelling() > 0))

    async def host():
        with anyio.CancelScope(shield=shielded):
            async with anyio.create_task_group() as tg:
                for kind in ("quick", "timed", "cleans up", "shielded", "stubborn"):
                    tg.start_soon(child, kind)
                await act(tg)
        return me().cancelling()

    task = asyncio.create_task(host())
    await asyncio.wait([task])
    end = type(task.exception()).__name__ if not task.cancelled() and task.exception() else task.cancelled()
    return end, {k: how(t) for k, t in children.items()}, sorted(counts), loop.time(), task.cancelling()


async def cancel_group(tg):
    await anyio.sleep(1)
    tg.cancel_scope.cancel()


async def cancel_host(tg):
    await anyio.sleep(1)
    me().cancel()
    await forever()


async def host_waits(tg):
    asyncio.get_running_loop().call_later(1, me().cancel)


async def fails(tg):
    await anyio.sleep(1)
    raise ValueError


async def times_out(tg):
    with anyio.fail_after(3):
        await forever()


async def moves_on(tg):
    with anyio.move_on_after(3):
        await forever()
    tg.cancel_scope.cancel()


async def deadline(tg):
    tg.cancel_scope.deadline = anyio.current_time() + 3


async def nested(tg):
    async with anyio.create_task_group() as inner:
        inner.start_soon(forever)
        await anyio.sleep(1)
        tg.cancel_scope.cancel()


@pytest.mark.parametrize("shielded", [False, True], ids=["open", "shielded"])
@pytest.mark.parametrize("act", [cancel_group, cancel_host, host_waits, fails, times_out, moves_on, deadline, nested])
def test_a_group_of_graded_tasks_ends_as_one_of_stock_tasks_does(act, shielded):
    def main():
        return group(act, shielded=shielded)

    assert on_ours(main) == on_stock(main)


async def children_of_a_host(body=forever):
    """A host in a group of three graded children; gives host and children."""
    children = []

    async def child():
        children.append(me())
        await forever()

    async def host():
        async with anyio.create_task_group() as tg:
            for _ in range(3):
                tg.start_soon(child)
            await body()
        return me().cancelling()

    task = await started(host(), 4)
    assert all(isinstance(child, Task) for child in children)
    return task, children


@pytest.mark.parametrize("body", [forever, lambda: turns(1)], ids=["in the body", "waiting for the children"])
async def test_a_word_to_the_host_ends_it_and_every_child(word, body):
    task, children = await children_of_a_host(body)
    assert await stopped(task, word)
    assert all(child.cancelled() for child in children)


async def test_a_word_to_one_child_ends_the_group_as_a_cancelled_child_does(word):
    """In anyio a child that ends by a cancellation takes its group along."""
    task, children = await children_of_a_host(lambda: turns(1))
    say(children[1], word)
    if word == "drain":
        await turns(5)
        assert not task.done()
        children[1].terminate("why")
    assert await ended(task) == 0
    assert all(child.cancelled() for child in children)
    assert type(children[1].ended_by) is {"drain": Terminate, "cancel": type(None)}.get(word, WORDS[word])


async def test_a_signal_caught_around_a_group_ends_the_group_alone():
    with catch(Interrupt) as caught:
        async with anyio.create_task_group() as tg:
            tg.start_soon(forever)
            await turns(2)
            me().interrupt("why")
    assert (caught.signal.reason, me().cancelling()) == ("why", 0)


async def test_children_spawned_in_a_mask_are_covered_until_it_ends():
    children = []

    async def child():
        children.append(me())
        await anyio.sleep(3)

    async def host():
        with mask():
            async with anyio.create_task_group() as tg:
                tg.start_soon(child)
                tg.start_soon(child)
        await forever()

    task = await started(host(), 4)
    for one in (*children, task):
        one.terminate("why")
    assert await ended(task) is Terminate
    assert (now(), [child.cancelled() for child in children]) == (3, [False, False])


async def test_start_under_a_signal_leaves_no_child_behind(word):
    children = []

    async def child(*, task_status):
        children.append(me())
        await forever()

    async def host():
        async with anyio.create_task_group() as tg:
            await tg.start(child)

    task = await started(host(), 4)
    say(task, word)
    if word == "drain":
        task.terminate("why")
    assert await ended(task) is (Terminate if word == "drain" else WORDS[word])
    await turns(5)
    assert children[0].done()


# -- what a task waits for ------------------------------------------------------------


async def _event():
    await anyio.Event().wait()


async def _lock():
    lock = anyio.Lock()
    async with anyio.create_task_group() as tg:
        async with lock:
            tg.start_soon(_take, lock)
            await forever()


async def _take(lock):
    async with lock:
        pass


async def _receive():
    send, receive = anyio.create_memory_object_stream[int]()
    with send, receive:
        await receive.receive()


async def _send():
    send, receive = anyio.create_memory_object_stream[int]()
    with send, receive:
        await send.send(1)


async def _condition():
    condition = anyio.Condition()
    async with condition:
        await condition.wait()


WAITS = {"event": _event, "lock": _lock, "receive": _receive, "send": _send, "condition": _condition}


@pytest.mark.parametrize("kind", WAITS)
async def test_a_word_ends_the_wait_or_is_held_by_the_block(kind, block):
    async def worker():
        with BLOCKS[block]():
            await WAITS[kind]()
        return me().cancelling()

    seen = {}
    for word in WORDS:
        task = await started(worker(), 4)
        say(task, word)
        await turns(5)
        seen[word] = await ended(task) if task.done() else "waits on"
        if not task.done():
            task.kill("why")
            await ended(task)
    held = {word: "waits on" for word in WORDS if (word, block) in HELD}
    held |= {"terminate": "waits on"} if block in ("on_signal", "mask") else {}
    held |= {"interrupt": "waits on"} if block == "mask" else {}
    # It takes its lock again before it ends, which a Kill does not let it; then its lock is not its own to release.
    held |= {"kill": RuntimeError} if kind == "condition" else {}
    assert seen == told(block) | held


async def test_an_item_sent_after_the_word_is_not_given_to_who_is_about_to_end(word):
    """anyio reads from the task that it is to be cancelled, and keeps the item (anyio#1075)."""
    send, receive = anyio.create_memory_object_stream[str](1)
    with send, receive:
        task = await started(receive.receive())
        say(task, word)
        send.send_nowait("item")
        if word == "drain":
            assert await ended(task) == "item"
        else:
            assert (await ended(task), receive.receive_nowait()) == (WORDS[word], "item")


async def test_a_lock_is_free_again_after_a_signal(word):
    lock = anyio.Lock()

    async def holder():
        async with lock:
            await forever()

    task = await started(holder())
    say(task, "terminate" if word == "drain" else word)
    await ended(task)
    with anyio.fail_after(1):
        async with lock:
            pass


async def test_a_drain_comes_in_where_accepted():
    send, receive = anyio.create_memory_object_stream[int](10)
    done = []

    async def worker():
        with contextlib.suppress(Drain), send, receive:
            while True:
                with accept(Drain):
                    item = await receive.receive()
                await anyio.sleep(1)
                done.append(item)

    task = await started(worker())
    for item in range(2):
        send.send_nowait(item)
    await turns(5)
    task.drain("why")
    await ended(task)
    assert (done, now()) == ([0], 1)


@pytest.mark.parametrize("abandon", [False, True])
def test_a_thread_is_waited_for_or_abandoned_as_on_stock_tasks(abandon):
    """`anyio.to_thread` waits in a shielded scope; a cancel comes through when the thread is done."""
    import threading

    async def main():
        go = threading.Event()

        async def worker():
            await anyio.to_thread.run_sync(go.wait, abandon_on_cancel=abandon)

        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            asyncio.get_running_loop().call_soon(lambda: abandon or go.set())
            await worker()
        go.set()
        return scope.cancelled_caught, me().cancelling()

    assert on_ours(main) == on_stock(main)


async def test_a_word_to_a_task_that_waits_for_a_thread_ends_it(word):
    import threading

    go = threading.Event()
    task = await started(anyio.to_thread.run_sync(go.wait), 4)
    say(task, word)
    await turns(4)
    go.set()
    await asyncio.wait([task])  # the clock must not jump past the thread
    assert await ended(task) is (True if word == "drain" else WORDS[word])


async def test_a_signal_handled_by_a_callback_may_cancel_a_scope():
    with anyio.CancelScope() as scope:
        with on_signal(Drain, lambda _: scope.cancel()):
            me().drain()
            await forever()
    assert (scope.cancelled_caught, me().cancelling()) == (True, 0)
