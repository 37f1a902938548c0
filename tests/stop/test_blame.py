"""R28: nobody is accused who obeyed; who went on is named, and so is the mask that kept a signal from a task."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextlib import asynccontextmanager, suppress

import pytest
from tasks import forever, line_of, started

from sigtask import Drain, Interrupt, Kill, Ladder, Terminate, accept, catch, mask, stop, until
from sigtask._stop.stopping import Stopping
from sigtask.testing import turns

pytestmark = pytest.mark.clock
FIRM = Ladder((Terminate, 5), (Kill, 1))
HERE = "test_blame.py"


async def row_of(coro, ladder=FIRM):
    task = await started(coro)
    await turns(2)
    return (await stop(task, ladder=ladder)).tasks[0]


def place(function, text):
    """`file:line in function` of the line of `function` that has this text, as a report ends with it."""
    return f"{HERE}:{line_of(function, text)} in {function.__qualname__}"


# -- who obeyed --------------------------------------------------------------------------------------------------------


async def finally_for(seconds):
    try:
        await forever()
    finally:
        await asyncio.sleep(seconds)  # cleans up


async def raises_on_after(seconds):
    try:
        await forever()
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)  # cleans up
        raise


async def exits_for(seconds):
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, seconds)
        await forever()  # cleans up


async def keeps_and_raises_after(seconds):
    kept = None
    try:
        await forever()  # caught
    except asyncio.CancelledError as error:
        kept = error
    await asyncio.sleep(seconds)
    raise kept


async def waits_for_its_group(seconds):
    async with asyncio.TaskGroup() as group:  # cleans up
        group.create_task(finally_for(seconds))


async def waits_in_its_group(seconds):
    async with asyncio.TaskGroup() as group:  # cleans up
        group.create_task(finally_for(seconds))
        await forever()


async def stops_its_loop_after(seconds):
    going = True
    while going:
        try:
            await forever()  # caught
        except asyncio.CancelledError:
            going = False
    await asyncio.sleep(seconds)


async def suppresses_for(seconds):
    with suppress(asyncio.CancelledError):
        await forever()  # caught
    await asyncio.sleep(seconds)


POLITE = (finally_for, raises_on_after, exits_for, keeps_and_raises_after, waits_for_its_group, waits_in_its_group)
SLOW = (finally_for, raises_on_after, exits_for, waits_for_its_group, waits_in_its_group)


@pytest.mark.parametrize("seconds", [0, 2], ids=["at-once", "within-the-grace"])
@pytest.mark.parametrize("body", [*POLITE, stops_its_loop_after, suppresses_for])
async def test_r28_who_has_ended_by_the_next_rung_is_not_listed(body, seconds):
    row = await row_of(body(seconds))
    assert (row.rung, row.swallowed, row.cleaning_up, row.note, row.resisted) == ("terminate", [], None, None, False)


async def test_r28_who_catches_the_signal_and_returns_is_not_listed():
    async def returns():
        try:
            await forever()
        except Terminate:
            return

    row = await row_of(returns())
    assert (row.ended, row.swallowed, row.resisted) == ("returned", [], False)


@pytest.mark.parametrize("body", SLOW)
async def test_r28_who_is_still_cleaning_up_at_the_kill_has_swallowed_nothing(body):
    row = await row_of(body(9))
    assert (row.rung, row.swallowed, row.resisted) == ("kill", [], True)
    assert row.cleaning_up.startswith("Terminate at ")
    assert "at kill it was still cleaning up after Terminate, at " in str(row) and "swallowed" not in str(row)


async def closes_for(seconds):
    async def numbers():
        try:
            yield 1
            await forever()
        finally:
            await asyncio.sleep(seconds)

    async with contextlib.aclosing(numbers()) as stream:
        async for _ in stream:
            pass


async def test_r28_the_line_of_an_async_generator_that_takes_too_long_is_named():
    assert (await row_of(closes_for(9))).cleaning_up.endswith(" in closes_for.<locals>.numbers")


@pytest.mark.parametrize("body", [finally_for, raises_on_after])
async def test_r28_the_line_that_takes_too_long_is_named(body):
    assert (await row_of(body(9))).cleaning_up.endswith(place(body, "# cleans up"))


async def test_r28_without_a_kill_too_a_cleanup_is_told_from_a_swallower():
    tasks = [await started(finally_for(9)), await started(suppresses_for(9))]
    first, second = (await stop(*tasks, ladder=Ladder((Terminate, 1)))).tasks
    assert (bool(first.cleaning_up), first.swallowed) == (True, [])
    assert (second.cleaning_up, len(second.swallowed)) == (None, 1)
    assert "in the end it was still cleaning up after Terminate, at " in str(first)
    assert [row.ended for row in (first, second)] == ["still running"] * 2


async def test_r28_who_keeps_the_signal_may_raise_it_yet():
    row = await row_of(keeps_and_raises_after(9))
    line = line_of(keeps_and_raises_after, "# caught")
    assert (row.swallowed, row.cleaning_up) == ([], None)
    assert row.note.endswith(f"{HERE}:{line} and kept, and it went on")


async def test_r28_what_catch_and_until_took_is_not_swallowed():
    async def takes(seconds):
        with catch(Interrupt) as caught:
            await forever()
        assert caught
        assert isinstance(await until(Terminate, forever()), Terminate)
        await asyncio.sleep(seconds)

    row = await row_of(takes(9), Ladder((Interrupt, 1), *FIRM.rungs))
    assert (row.ended, row.swallowed, row.cleaning_up) == ("ended by Kill", [], None)
    line = line_of(takes, "await forever()")
    assert row.note.startswith("Interrupt was caught at ")
    assert row.note.endswith(
        f"{HERE}:{line} and taken back, and it went on; Terminate was caught and taken back, and it went on"
    )


async def test_r28_a_signal_from_before_the_stop_is_no_business_of_it():
    async def goes_on():
        with suppress(Interrupt):
            await forever()
        with mask(Terminate):
            await forever()

    task = await started(goes_on())
    task.interrupt()
    await turns(2)
    [row] = (await stop(task, ladder=FIRM)).tasks
    assert row.swallowed == []


async def test_r28_a_condition_that_waits_for_its_lock_has_swallowed_nothing():
    condition = asyncio.Condition()

    async def waits():
        async with condition:
            await condition.wait()  # cleans up

    task = await started(waits())
    await condition.acquire()  # it cannot have it back
    [row] = (await stop(task, ladder=Ladder((Interrupt, 1), *FIRM.rungs))).tasks
    assert row.swallowed == []
    assert row.cleaning_up.endswith(place(waits, "# cleans up"))


async def test_r28_of_a_task_that_holds_the_thread_nothing_is_guessed():
    reports = []

    async def blocks():
        with suppress(asyncio.CancelledError):
            await forever()
        watchdog = threading.Thread(target=lambda: reports.append(stopping.report()))
        watchdog.start()
        watchdog.join()

    stopping = Stopping(asyncio.get_running_loop(), [await started(blocks())], FIRM)
    stopping.begin()
    await stopping.done
    [row] = reports[0].tasks
    assert (row.swallowed, row.cleaning_up, row.ended) == ([], None, "returned")


# -- who went on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [stops_its_loop_after, suppresses_for])
async def test_r28_who_left_the_handler_and_went_on_past_its_grace_has_swallowed(body):
    row = await row_of(body(9))
    [swallowed] = row.swallowed
    assert swallowed.endswith(f"{HERE}:{line_of(body, '# caught')}")
    assert (row.cleaning_up, row.resisted) == (None, True)


async def test_r28_who_swallowed_one_rung_and_obeyed_the_next_is_listed():
    row = await row_of(suppresses_for(99), Ladder((Interrupt, 1), *FIRM.rungs))
    assert (row.ended, row.resisted, len(row.swallowed)) == ("ended by Terminate", True, 1)
    assert row.swallowed[0].startswith("Interrupt at ")


async def test_r28_a_child_that_is_awaited_is_accused_itself_and_not_its_parent():
    async def parent():
        await asyncio.create_task(suppresses_for(99))

    task = await started(parent())
    await turns(1)
    first, second = (await stop(task, ladder=FIRM)).tasks
    assert (first.swallowed, first.cleaning_up) == ([], None)
    assert (second.descendant, len(second.swallowed)) == (True, 1)


async def test_r28_a_context_manager_that_swallows_is_named_and_not_who_uses_it():
    @asynccontextmanager
    async def swallows():
        with suppress(asyncio.CancelledError):
            yield  # caught

    async def user():
        async with swallows():
            await forever()
        await asyncio.sleep(9)

    [swallowed] = (await row_of(user())).swallowed
    assert swallowed.endswith(f"{HERE}:{line_of(swallows.__wrapped__, '# caught')}")


async def test_r28_a_cleanup_is_not_accused_of_what_was_swallowed_outside_of_it():
    async def worker():
        while True:
            with suppress(Terminate):
                await finally_for(1)

    [swallowed] = (await row_of(worker())).swallowed
    line = line_of(finally_for, "forever()")
    assert swallowed.startswith("Terminate, first caught at ") and swallowed.endswith(f"{HERE}:{line}")


async def test_r28_a_swallower_in_the_standard_library_is_named_with_the_line_that_called_it():
    names = {}
    source = "async def loses(it):\n    try:\n        await it()\n    except BaseException:\n        pass\n"
    exec(compile(source, asyncio.tasks.__file__, "exec"), names)

    async def calls():
        await names["loses"](asyncio.Event().wait)  # called
        await asyncio.sleep(9)

    [swallowed] = (await row_of(calls())).swallowed
    assert swallowed.startswith(f"Terminate at {asyncio.tasks.__file__}:3 (sent while it stood at ")
    assert swallowed.endswith(f"{place(calls, '# called')})")


async def test_r28_a_group_is_not_accused_of_what_was_swallowed_outside_of_it():
    async def worker():
        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:  # stood
                group.create_task(forever())
        await asyncio.sleep(9)

    [swallowed] = (await row_of(worker())).swallowed
    assert swallowed.startswith(f"Terminate, first caught at {asyncio.taskgroups.__file__}:")
    assert swallowed.endswith(f"{place(worker, '# stood')})")


# -- masks -------------------------------------------------------------------------------------------------------------


async def test_r14_the_mask_that_held_a_signal_is_named_by_its_line():
    async def books():
        with suppress(KeyError):
            with mask(Terminate):  # holds
                with suppress(KeyError):
                    await forever()

    assert (await row_of(books())).note.endswith(place(books, "# holds"))


async def test_r14_of_two_masks_the_one_that_held_it_is_named():
    async def books():
        with mask(Terminate):  # holds
            with mask(Interrupt):
                await forever()

    row = await row_of(books())
    assert row.note.startswith("Terminate was held by mask(Terminate) at ")
    assert row.note.endswith(place(books, "# holds"))


async def test_r14_a_mask_further_out_in_the_chain_is_named():
    async def books():
        with mask(Terminate):  # holds
            await forever()

    async def worker():
        await books()

    assert (await row_of(worker())).note.endswith(place(books, "# holds"))


async def test_r14_a_mask_that_decorates_is_named_by_the_function():
    @mask(Terminate)
    async def books():
        await forever()

    note = (await row_of(books())).note
    assert f"{HERE}:{line_of(books.__wrapped__, '@mask')} in " in note


async def test_r14_a_mask_of_the_parent_is_named_for_its_child():
    async def parent():
        with mask(Terminate):  # holds
            await asyncio.wait([asyncio.create_task(forever(), name="child")])

    await started(parent())
    [child] = [task for task in asyncio.all_tasks() if task.get_name() == "child"]
    [row] = (await stop(child, ladder=FIRM)).tasks
    assert row.note.endswith(place(parent, "# holds"))


async def test_r14_a_mask_whose_line_is_not_to_be_found_is_named_by_what_it_is():
    @asynccontextmanager
    async def booking():
        with mask(Terminate):
            yield

    async def books():
        async with booking():
            await forever()

    assert (await row_of(books())).note == "Terminate was held by mask(Terminate)"


async def test_r14_masks_opened_by_a_stack_are_named_by_where_it_stood():
    async def books():
        with contextlib.ExitStack() as stack:
            stack.enter_context(mask(Terminate))
            await forever()  # stood

    assert (await row_of(books())).note == "Terminate was held by mask(Terminate)"


async def test_r14_what_is_below_the_threshold_anyhow_is_held_by_no_mask():
    async def books():
        with mask(Terminate):
            await until(Drain, forever())

    assert (await row_of(books(), Ladder((Drain, 1), (Kill, 1)))).note.startswith("Drain was held by mask(Terminate)")

    async def works():
        with mask(Terminate):
            await forever()

    assert (await row_of(works(), Ladder((Drain, 1), (Kill, 1)))).note is None


async def test_r14_a_mask_that_has_ended_holds_nothing():
    async def books():
        with mask(Terminate):
            await asyncio.sleep(1)
        with suppress(Terminate):
            await forever()  # caught
        await asyncio.sleep(9)

    row = await row_of(books())
    assert (row.note, len(row.swallowed)) == (None, 1)


# -- a Drain that nobody asks for --------------------------------------------------------------------------------------


async def listens():
    with accept(Drain):
        await forever()


@pytest.mark.parametrize(("bodies", "unasked"), [([forever], True), ([forever, listens], False)])
async def test_r28_a_drain_that_was_waited_out_says_whether_any_task_asked_for_it(bodies, unasked):
    tasks = [await started(body()) for body in bodies]
    report = await stop(*tasks, ladder=Ladder((Drain, 10), *FIRM.rungs))
    assert report.rungs[0].unasked is unasked
    assert ("0 of 1 ended: no task has asked for it" in str(report)) is unasked
