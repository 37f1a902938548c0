"""R25 to R27: stop() climbs a ladder, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest
from tasks import forever, now, started

import sigtask
from sigtask import (
    Drain,
    Fate,
    Interrupt,
    Kill,
    Ladder,
    Terminate,
    accept,
    mask,
    on_signal,
    requested,
    stop,
    wait_requested,
)
from sigtask._core.family import descendants
from sigtask._stop.stopping import Stopping
from sigtask.testing import turns

pytestmark = pytest.mark.clock
FULL = Ladder((Drain, 10), (Terminate, 5), (Kill, 1))
FIRM = Ladder((Terminate, 5), (Kill, 1))


async def stock(coro, **kwargs):
    """A stock asyncio task that has come to its first await."""
    task = asyncio.Task(coro, loop=asyncio.get_running_loop(), **kwargs)
    await turns(1)
    return task


def seen(task):
    return [type(delivery.signal) for delivery in task.history]


async def cleans_up(seconds):
    try:
        await forever()
    finally:
        await asyncio.sleep(seconds)


async def drains(seconds=1.0):
    await wait_requested(Drain)
    await asyncio.sleep(seconds)
    return "drained"


async def holds_on(swallowed):
    """Swallows everything but a Kill, and notes it."""
    while True:
        try:
            await forever()
        except Kill:
            raise
        except asyncio.CancelledError as error:
            swallowed.append(type(error))


def how(report):
    return [(row.name, row.ended, row.rung) for row in report.tasks]


# -- R25: signal all, then wait once ----------------------------------------------------------------------------------


async def test_r25_a_task_that_obeys_ends_at_the_first_rung_in_no_time():
    task = await started(forever(), name="t")
    report = await stop(task, ladder=FIRM)
    assert (how(report), now()) == ([("t", "ended by Terminate", "terminate")], 0)


async def test_r25_a_hundred_tasks_take_as_long_as_one():
    tasks = [await started(cleans_up(5)) for _ in range(100)]
    report = await stop(*tasks, ladder=Ladder((Terminate, 6), Kill))
    assert (report.totals, now()) == ({"ended by Terminate": 100}, 5)


async def test_r25_all_are_signalled_before_any_is_waited_for():
    tasks = [await started(cleans_up(3)) for _ in range(3)]
    stopping = asyncio.create_task(stop(*tasks, ladder=FIRM))
    await turns(2)
    assert [seen(task) for task in tasks] == [[Terminate]] * 3
    await stopping


async def test_r25_each_rung_follows_after_the_grace_of_the_one_before():
    swallowed = []
    task = await started(holds_on(swallowed))
    await stop(task, ladder=Ladder((Interrupt, 3), (Terminate, 5), (Kill, 1)))
    assert (swallowed, seen(task), now()) == ([Interrupt, Terminate], [Interrupt, Terminate, Kill], 8)


async def test_r25_a_rung_ends_early_when_all_are_done():
    tasks = [await started(cleans_up(seconds)) for seconds in (1, 2.5)]
    report = await stop(*tasks, ladder=FIRM)
    assert (now(), [rung.name for rung in report.rungs]) == (2.5, ["terminate"])


async def test_r25_a_rung_that_ends_early_on_all_but_one_lasts_its_time_for_that_one():
    quick, slow = await started(forever()), await started(holds_on([]))
    await stop(quick, slow, ladder=FIRM)
    assert (seen(quick), seen(slow), now()) == ([Terminate], [Terminate, Kill], 5)


async def test_r25_the_reason_and_the_caller_come_with_the_signal():
    task = await started(forever())

    async def stopper():
        await turns(1)  # an eager task of Python 3.12 gets its name after its first step
        await stop(task, ladder=FIRM, reason="disk full")

    await asyncio.create_task(stopper(), name="the stopper")
    assert (task.ended_by.reason, task.ended_by.sender) == ("disk full", "the stopper")


async def test_r25_the_default_ladder_is_drain_10_terminate_5_kill():
    async def listens():
        requested()
        await holds_on([])

    task = await started(listens())
    report = await stop(task)
    assert (report.ladder, seen(task), now()) == ("drain=10s,terminate=5s,kill=1s", [Drain, Terminate, Kill], 15)


async def test_r25_a_task_that_was_done_is_reported_as_ended_before():
    task = await started(turns(0), name="t")
    await task
    report = await stop(task, ladder=FIRM)
    assert (how(report), now()) == ([("t", "ended before", None)], 0)


async def test_r25_a_done_task_among_living_ones_is_left_alone():
    done, task = await started(turns(0)), await started(forever())
    await done
    report = await stop(done, task, ladder=FIRM)
    assert (report.totals, done.history) == ({"ended before": 1, "ended by Terminate": 1}, ())


async def test_r25_a_task_given_twice_is_stopped_once():
    task = await started(forever())
    report = await stop(task, task, ladder=FIRM)
    assert (len(report.tasks), seen(task)) == (1, [Terminate])


@pytest.mark.lazy
async def test_r25_a_task_that_has_not_started_is_stopped_and_never_runs():
    ran = []

    async def runs():
        ran.append(1)

    report = await stop(asyncio.create_task(runs(), name="t"), ladder=FIRM)
    assert (how(report), ran) == ([("t", "ended by Terminate", "terminate")], [])


async def test_r25_kill_ends_a_task_that_swallows_everything(deaf):
    task = await started(deaf())
    report = await stop(task, ladder=FIRM)
    assert (task.done(), report.survivors, now()) == (True, (), 5)


async def test_r25_a_rung_without_grace_is_sent_too(deaf):
    task = await started(deaf(), name="t")
    report = await stop(task, ladder=Ladder((Interrupt, 0), (Terminate, 0), (Kill, 0)))
    assert (seen(task), how(report), now()) == ([Interrupt, Terminate, Kill], [("t", "abandoned", "kill")], 0)


async def test_r25_a_kill_without_grace_at_the_end_is_sent_too(deaf):
    task = await started(deaf())
    report = await stop(task, ladder=Ladder((Terminate, 5), (Kill, 0)))
    assert (task.done(), report.survivors, now()) == (True, (), 5)


async def test_r25_a_loop_that_was_blocked_past_the_ladder_leaves_no_rung_out():
    swallowed = []
    task = await started(holds_on(swallowed))
    loop = asyncio.get_running_loop()
    loop.call_later(1, loop.advance, 100)
    report = await stop(task, ladder=Ladder((Interrupt, 3), (Terminate, 5), (Kill, 1)))
    assert (swallowed, task.done(), report.survivors) == ([Interrupt, Terminate], True, ())


async def test_r25_the_grace_of_a_rung_begins_when_it_has_been_delivered():
    task = await started(holds_on([]))
    loop = asyncio.get_running_loop()
    loop.call_later(1, loop.advance, 4)  # until 5; the Terminate was due at 3
    await stop(task, ladder=Ladder((Interrupt, 3), (Terminate, 5), (Kill, 1)))
    assert now() == 10


async def test_r25_a_ladder_without_kill_ends_with_a_survivor():
    task = await started(holds_on([]), name="t")
    report = await stop(task, ladder=Ladder((Terminate, 5)))
    assert (how(report), now(), task.done()) == ([("t", "still running", None)], 5, False)
    task.kill()


async def test_r25_an_error_of_a_target_is_in_the_report_and_not_raised():
    async def fails():
        try:
            await forever()
        finally:
            raise ValueError("no")

    report = await stop(await started(fails(), name="t"), ladder=FIRM)
    assert how(report) == [("t", "raised ValueError", "terminate")]


class Refuses(asyncio.Future):
    def cancel(self, msg=None):
        raise OSError("not now")


async def test_r25_when_one_cannot_be_sent_its_signal_the_others_get_theirs():
    async def stuck():
        await Refuses()

    bad, good = await started(stuck()), await started(forever())
    report = await stop(bad, good, ladder=Ladder((Terminate, 1)))
    assert good.ended_by is not None
    assert report.tasks[0].note == "terminate could not be sent on to what it awaits: OSError: not now"
    assert bad.ended_by is not None


async def test_r25_a_task_that_ends_in_the_turn_in_which_the_grace_does_ended_in_that_rung():
    loop = asyncio.get_running_loop()
    gate = loop.create_future()

    async def ends_with_the_grace():
        try:
            await forever()
        finally:
            await gate

    def open_and_hold_the_thread():
        gate.set_result(None)
        loop.advance(4)

    task = await started(ends_with_the_grace(), name="t")
    loop.call_later(1, open_and_hold_the_thread)
    report = await stop(task, ladder=FIRM)
    assert (how(report), seen(task)) == ([("t", "ended by Terminate", "terminate")], [Terminate])


# -- R25: who else is told --------------------------------------------------------------------------------------------


async def parent_of(child, *, swallow=False):
    child.append(asyncio.create_task(holds_on([]), name="child"))
    await (holds_on([]) if swallow else forever())


async def test_r25_drain_goes_to_descendants():
    async def grandparent():
        task = asyncio.create_task(parent())
        await forever_with(task)

    async def parent():
        task = asyncio.create_task(drains())
        family.append(task)
        await forever_with(task)

    async def forever_with(task):
        await asyncio.wait([task])

    family = []
    task = await started(grandparent())
    await turns(3)
    report = await stop(task, ladder=FULL)
    assert (family[0].result(), task.exception(), now()) == ("drained", None, 1)
    assert [row.descendant for row in report.tasks] == [False, True, True]


async def test_r25_kill_goes_to_descendants():
    child = []
    task = await started(parent_of(child, swallow=True))
    await stop(task, ladder=Ladder((Kill, 1)))
    await turns(2)
    assert child[0].ended_by is not None


async def test_r25_terminate_does_not_go_to_a_child_that_nothing_was_thrown_into():
    child = []
    task = await started(parent_of(child, swallow=True))
    await stop(task, ladder=Ladder((Terminate, 5)))
    assert seen(child[0]) == []
    task.kill()
    child[0].kill()


async def test_r25_a_later_rung_goes_to_a_descendant_that_an_earlier_one_was_thrown_into():
    swallowed = []

    async def parent():
        await asyncio.gather(holds_on(swallowed), return_exceptions=True)

    task = await started(parent())
    await turns(2)
    await stop(task, ladder=Ladder((Interrupt, 1), (Terminate, 5)))
    assert swallowed == [Interrupt, Terminate]
    task.kill()


@pytest.mark.parametrize("kind", ["gather", "taskgroup", "await", "wait_for", "shield"])
async def test_r25_whatever_a_target_waits_in_its_children_end_with_it_in_no_time(kind):
    children = []

    async def child():
        children.append(asyncio.current_task())
        await forever()

    async def parent():
        if kind == "gather":
            await asyncio.gather(child(), child())
        elif kind == "taskgroup":
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                group.create_task(child())
        elif kind == "await":
            await asyncio.create_task(child())
        elif kind == "wait_for":
            await asyncio.wait_for(asyncio.create_task(child()), 100)
        else:
            await asyncio.shield(child())

    task = await started(parent())
    await turns(3)
    await stop(task, ladder=FIRM)
    assert type(task.ended_by) is Terminate
    assert now() == 0
    if kind != "shield":
        assert {type(each.ended_by) for each in children} == {Terminate}
    for each in children:
        each.kill()


@pytest.mark.parametrize("kind", ["gather", "taskgroup", "await"])
async def test_r25_deaf_children_of_a_target_are_killed_with_it(kind, deaf):
    async def parent():
        if kind == "gather":
            await asyncio.gather(deaf(), deaf())
        elif kind == "taskgroup":
            async with asyncio.TaskGroup() as group:
                group.create_task(deaf())
                group.create_task(deaf())
        else:
            await asyncio.create_task(deaf())

    before = asyncio.all_tasks()
    task = await started(parent())
    await turns(3)
    report = await stop(task, ladder=FIRM)
    assert (asyncio.all_tasks() - before, report.survivors, now()) == (set(), (), 5)


@pytest.mark.parametrize("rung", [Terminate, Kill])
async def test_r25_stop_does_not_signal_the_task_that_called_it_from_inside_the_target_but_a_kill_takes_it_along(rung):
    reports = []

    async def child(target):
        reports.append(await stop(target, ladder=Ladder((rung, 1))))

    async def parent():
        children.append(asyncio.create_task(child(asyncio.current_task())))
        await forever()

    children = []
    task = await started(parent())
    await asyncio.wait([task])
    await asyncio.wait(children)
    assert (len(reports), seen(children[0])) == ((1, []) if rung is Terminate else (0, [Kill]))


# -- R25: stop() and its own caller -----------------------------------------------------------------------------------


async def test_r25_cancelling_stop_leaves_the_targets_where_they_are_and_raises():
    task = await started(holds_on([]))
    stopping = await started(stop(task, ladder=FIRM))
    await asyncio.sleep(1)
    stopping.cancel()
    await asyncio.wait([stopping])
    await asyncio.sleep(100)
    assert (stopping.cancelled(), task.done(), seen(task)) == (True, False, [Terminate])
    task.kill()


async def test_r25_a_deaf_target_does_not_eat_our_cancellation(deaf):
    task = await started(deaf())
    try:
        async with asyncio.timeout(1):
            await stop(task, ladder=FIRM)
    except TimeoutError:
        assert (now(), task.done(), seen(task)) == (1, False, [Terminate])
    task.kill()


async def test_r25_cancelling_stop_does_not_cancel_the_target():
    task = await started(drains())
    stopping = await started(stop(task, ladder=FULL))
    stopping.cancel()
    await asyncio.wait([stopping])
    assert task.cancelling() == 0
    assert await task == "drained"


async def test_r25_a_cancelled_stop_leaves_no_timer_and_no_callback():
    task = await started(holds_on([]))
    stopping = await started(stop(task, ladder=FIRM))
    stopping.cancel()
    await asyncio.wait([stopping])
    assert [t for t in asyncio.get_running_loop()._scheduled if not t.cancelled()] == []
    assert not task._callbacks
    task.kill()


async def test_r25_two_stops_of_one_target_both_report():
    task = await started(cleans_up(1), name="t")
    one, two = await asyncio.gather(stop(task, ladder=FIRM), stop(task, ladder=FIRM))
    assert how(one) == how(two) == [("t", "ended by Terminate", "terminate")]


async def test_r25_of_two_stops_the_stronger_wins():
    task = await started(holds_on([]))
    one, two = await asyncio.gather(stop(task, ladder=FIRM), stop(task, ladder=Ladder((Terminate, 2), (Kill, 1))))
    assert (now(), one.survivors, two.survivors) == (2, (), ())


async def test_r25_a_target_may_stop_its_own_killer():
    outcome = []

    async def victim(killer):
        try:
            await forever()
        except Terminate:
            outcome.append(await stop(killer, ladder=FIRM))
            raise

    async def killer():
        await stop(tasks["victim"], ladder=FIRM)

    tasks = {"killer": asyncio.create_task(turns(0))}
    begin = asyncio.Event()

    async def waits_then_kills():
        await begin.wait()
        await killer()

    tasks["killer"] = asyncio.create_task(waits_then_kills())
    tasks["victim"] = await started(victim(tasks["killer"]))
    begin.set()
    await asyncio.wait(tasks.values())
    assert [row.ended for row in outcome[0].tasks] == ["ended by Terminate"]
    assert type(tasks["killer"].ended_by) is Terminate
    assert now() == 0


async def test_r25_two_tasks_that_stop_each_other_both_end():
    begin = asyncio.Event()
    tasks = []

    async def stops(other):
        await begin.wait()
        await stop(tasks[other], ladder=FIRM)

    tasks += [await started(stops(1)), await started(stops(0))]
    begin.set()
    await asyncio.wait(tasks)
    assert now() <= 6


async def test_r25_a_program_that_cancels_every_task_does_not_stop_the_ladder():
    task = await started(holds_on([]))

    async def stopper():
        with mask(Terminate, plain=True):
            return await stop(task, ladder=FIRM)

    stopping = await started(stopper())
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    await asyncio.wait([stopping, task])
    assert (seen(task), now()) == ([Terminate, Kill], 5)


# -- R25: stock tasks -------------------------------------------------------------------------------------------------


async def test_r25_drain_and_interrupt_pass_a_stock_task_by():
    seen_by_it = []

    async def waits():
        try:
            await forever()
        except BaseException as error:
            seen_by_it.append((now(), error.args))
            raise

    task = await stock(waits(), name="s")
    other = await started(drains(1000))
    report = await stop(task, other, ladder=Ladder((Drain, 1), (Interrupt, 2), (Terminate, 5)))
    assert type(seen_by_it[0][1][0]) is Terminate
    assert seen_by_it[0][0] == 3
    assert report.tasks[0].ended == "cancelled"


async def test_r25_terminate_of_a_stock_task_is_cancel_with_the_signal_as_message():
    task = await stock(forever())
    await stop(task, ladder=FIRM, reason="why")
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert (type(caught.value.args[0]), caught.value.args[0].reason) == (Terminate, "why")


async def test_r25_that_a_kill_cannot_reach_a_stock_task_is_in_the_report(deaf):
    task = await stock(deaf(), name="s")
    report = await stop(task, ladder=FIRM)
    assert [(row.name, row.ended) for row in report.survivors] == [("s", "still running")]
    assert "a Kill cannot reach it" in report.tasks[0].note
    assert "a Kill cannot reach it" in str(report)
    deaf.release = True
    task.cancel()
    await asyncio.wait([task])


async def test_r25_a_stock_target_that_awaits_a_sigtask_task_passes_the_signal_on():
    async def parent():
        await child

    child = await started(forever())
    task = await stock(parent())
    await stop(task, ladder=FIRM, reason="why")
    assert (type(child.ended_by), child.ended_by.reason) == (Terminate, "why")


# -- R26: a Drain that nobody listens for -----------------------------------------------------------------------------


async def uses_accept():
    with accept(Drain):
        await turns(0)
    await forever()


async def uses_on_signal():
    with on_signal(Drain, print):
        await turns(0)
    await forever()


async def uses_requested():
    requested(Drain)
    await forever()


async def uses_any_requested():
    requested()
    await forever()


async def uses_wait_requested():
    await wait_requested(Drain)
    await forever()


LISTENERS = [uses_accept, uses_on_signal, uses_requested, uses_any_requested, uses_wait_requested]


@pytest.mark.parametrize("listener", LISTENERS)
async def test_r26_a_drain_is_not_skipped_when_a_target_has_ever_listened(listener):
    task = await started(listener())
    report = await stop(task, ladder=FULL)
    assert (now(), report.rungs[0].skipped) == (10, False)


@pytest.mark.parametrize("listener", LISTENERS)
async def test_r26_a_drain_is_not_skipped_when_a_descendant_listens(listener):
    async def parent():
        task = asyncio.create_task(listener())
        try:
            await forever()
        finally:
            task.kill()

    task = await started(parent())
    await turns(1)
    report = await stop(task, ladder=FULL)
    assert (now(), report.rungs[0].skipped) == (10, False)


async def test_r26_it_is_enough_that_one_target_listens():
    tasks = [await started(forever()), await started(drains(2))]
    report = await stop(*tasks, ladder=FULL)
    assert (report.rungs[0].skipped, tasks[1].result(), seen(tasks[0])) == (False, "drained", [Drain, Terminate])


async def test_r26_when_every_rung_is_skipped_the_report_comes_at_once(nobody_listens):
    task = await started(forever(), name="t")
    report = await stop(task, ladder=Ladder((Drain, 10)))
    assert (how(report), now(), report.rungs[0].skipped) == ([("t", "still running", None)], 0, True)
    task.kill()


async def test_r26_a_class_of_ones_own_below_interrupt_is_skipped_the_same_way(nobody_listens):
    class Reload(Drain):
        level = 12

    task = await started(forever())
    report = await stop(task, ladder=Ladder((Reload, 5), (Terminate, 5)))
    assert [rung.skipped for rung in report.rungs] == [True, False]


# -- R27: a ladder inside a ladder ------------------------------------------------------------------------------------


async def stops_in_cleanup(inner, ladder, reports):
    try:
        await forever()
    finally:
        reports.append(await stop(inner, ladder=ladder))


async def test_r27_a_stop_inside_a_task_being_stopped_is_clipped_to_what_is_left():
    reports = []
    inner = await started(holds_on([]))
    outer = await started(stops_in_cleanup(inner, Ladder((Terminate, 90), (Kill, 10)), reports))
    report = await stop(outer, ladder=FIRM)
    assert reports[0].ladder == "terminate=4.5s,kill=0.5s"
    assert (now(), report.tasks[0].ended) == (4.5, "ended by Terminate")
    assert Fate.REFUSED not in [delivery.fate for delivery in outer.history]


async def test_r27_a_stop_in_a_child_of_a_task_being_stopped_is_clipped_too():
    reports = []
    inner = await started(holds_on([]))

    async def child():
        reports.append(await stop(inner, ladder=Ladder((Terminate, 90), (Kill, 10))))

    async def parent():
        try:
            await forever()
        finally:
            await asyncio.create_task(child())

    await stop(await started(parent()), ladder=FIRM)
    assert (reports[0].ladder, now()) == ("terminate=4.5s,kill=0.5s", 4.5)


async def test_r27_a_shorter_stop_inside_is_left_as_it_is():
    reports = []
    inner = await started(holds_on([]))
    await stop(await started(stops_in_cleanup(inner, Ladder((Terminate, 1), (Kill, 1)), reports)), ladder=FIRM)
    assert reports[0].ladder == "terminate=1s,kill=1s"


async def test_r27_three_ladders_deep_each_fits_into_the_one_outside():
    reports = []
    long = Ladder((Terminate, 80), (Kill, 20))
    innermost = await started(holds_on([]))
    middle = await started(stops_in_cleanup(innermost, long, reports))
    outer = await started(stops_in_cleanup(middle, long, reports))
    await stop(outer, ladder=Ladder((Terminate, 10), (Kill, 1)))
    assert [report.ladder for report in reports] == ["terminate=6.4s,kill=1.6s", "terminate=8s,kill=2s"]
    assert now() == pytest.approx(6.4)


async def test_r27_a_stop_outside_any_ladder_is_not_clipped():
    report = await stop(await started(holds_on([])), ladder=Ladder((Terminate, 90), (Kill, 10)))
    assert report.ladder == "terminate=90s,kill=10s"


# -- the loop around it -----------------------------------------------------------------------------------------------


async def test_r25_stop_works_from_a_stock_task():
    task = await started(forever())
    report = await (await stock(stop(task, ladder=FIRM)))
    assert report.totals == {"ended by Terminate": 1}


async def test_r25_an_on_signal_callback_ends_the_target_in_its_own_way():
    async def server():
        end = asyncio.Event()
        with on_signal(Drain, lambda _: end.set()):
            await end.wait()
        return "closed"

    task = await started(server(), name="t")
    report = await stop(task, ladder=FULL)
    assert (how(report), task.result(), now()) == ([("t", "returned", "drain")], "closed", 0)


def test_r25_stop_outside_a_loop_is_a_runtime_error():
    with pytest.raises(RuntimeError, match="no running event loop"):
        stop().send(None)


def test_r25_stop_is_public():
    assert sigtask.stop is stop


async def test_r25_where_it_may_take_so_many_seconds_in_all_a_rung_that_begins_late_ends_on_time():
    task = await started(holds_on([]))
    loop = asyncio.get_running_loop()
    loop.call_later(1, loop.advance, 4)
    ladder = Ladder((Interrupt, 3), (Terminate, 5), (Kill, 1))
    stopping = Stopping(loop, [task], ladder, seconds=ladder.total)
    stopping.begin()
    await stopping.done
    assert now() == 8


async def test_r25_the_seconds_of_a_skipped_rung_are_a_reserve_for_late_ones(nobody_listens):
    task = await started(holds_on([]))
    loop = asyncio.get_running_loop()
    loop.call_later(1, loop.advance, 4)
    ladder = Ladder((Drain, 2), (Interrupt, 3), (Terminate, 5), (Kill, 1))
    stopping = Stopping(loop, [task], ladder, seconds=ladder.total)
    stopping.begin()
    await stopping.done
    assert now() == 10


async def test_r25_what_telling_costs_is_not_taken_from_the_grace():
    async def polite():
        try:
            await forever()
        finally:
            loop.advance(0.01)  # each takes the thread for a while when it is told
            await asyncio.sleep(0.05)
            cleaned.append(1)

    loop, cleaned = asyncio.get_running_loop(), []
    tasks = [await started(polite()) for _ in range(150)]
    report = await stop(*tasks, ladder=Ladder((Terminate, 1), (Kill, 1)))
    assert len(cleaned) == 150
    assert report.totals == {"ended by Terminate": 150}


async def test_r25_telling_a_crowd_is_spread_over_turns_of_the_loop():
    loop, turn, told_at = asyncio.get_running_loop(), [0], []

    def count():
        turn[0] += 1
        if turn[0] < 20:
            loop.call_soon(count)

    async def polite():
        def told(signal):
            told_at.append(turn[0])
            loop.advance(0.004)  # of a slice of 0.010
            over.set_result(None)

        over = loop.create_future()
        with on_signal(Terminate, told):
            await over

    tasks = [await started(polite()) for _ in range(12)]
    loop.call_soon(count)
    await stop(*tasks, ladder=Ladder((Terminate, 1), (Kill, 1)))
    assert [told_at.count(n) for n in sorted(set(told_at))] == [3, 3, 3, 3]


async def test_r25_a_cancellation_by_the_parent_says_so_in_the_report():
    async def parent():
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(), name="child")
            await forever()

    task = await started(parent(), name="parent")
    await turns(1)
    (child,) = descendants([task])
    looks_on = asyncio.create_task(stop(child, ladder=Ladder((Drain, 100))))
    await turns(1)
    task.terminate("disk full")
    report = await looks_on
    assert how(report) == [("child", "cancelled by its parent: Terminate (disk full)", "drain")]


async def test_r25_what_stopping_one_task_looks_at_does_not_grow_with_the_others(monkeypatch):
    async def parent():
        await asyncio.create_task(turns(1))
        await forever()

    def all_tasks(loop=None):
        raise AssertionError("it looks through all tasks of the loop")

    task = await started(parent())
    await turns(4)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "all_tasks", all_tasks)
        report = await stop(task, ladder=Ladder((Drain, 1), (Terminate, 1), (Kill, 1)))
    assert report.tasks[0].ended == "ended by Terminate"


async def test_r25_a_system_exit_in_a_callback_leaves_nobody_untold():
    def leaves(signal):
        raise SystemExit(3)

    async def worker():
        with on_signal(Terminate, leaves):
            await forever()

    tasks = [await started(worker()), await started(forever())]
    with pytest.raises(SystemExit):
        await stop(*tasks, ladder=FIRM)
    await turns(2)
    assert type(tasks[1].ended_by) is Terminate
    tasks[0].kill()


async def test_r26_a_drain_that_nobody_could_hear_is_skipped(nobody_listens):
    task = await started(forever())
    report = await stop(task, ladder=FULL)
    assert (now(), seen(task), [(r.name, r.skipped) for r in report.rungs]) == (
        0,
        [Terminate],
        [("drain", True), ("terminate", False)],
    )


async def test_r26_when_in_doubt_it_waits():
    task = await started(forever())
    report = await stop(task, ladder=FULL)
    assert (now(), seen(task)) == (10, [Drain, Terminate])
    assert not report.rungs[0].skipped


async def test_r26_stock_tasks_cannot_hear_a_drain():
    report = await stop(await stock(forever()), ladder=FULL)
    assert (now(), report.rungs[0].skipped) == (0, True)


async def test_r25_a_masked_target_ends_at_its_first_await_after_the_mask():
    async def books():
        with mask(Terminate):
            await asyncio.sleep(3)
        await forever()

    task = await started(books())
    report = await stop(task, ladder=FIRM)
    assert (now(), report.tasks[0].ended) == (3, "ended by Terminate")


async def test_r14_the_report_says_that_masks_held_it_until_the_kill():
    async def holds():
        with mask(Terminate):
            await forever()

    async def never_lets_go():
        while True:
            with mask(Terminate):
                await asyncio.sleep(1)

    report = await stop(await started(holds()), await started(never_lets_go()), ladder=FIRM)
    first, second = (row.note for row in report.tasks)
    assert first.startswith("Terminate was held by mask(Terminate) at ")
    assert second == "Terminate was held by masks without an await between them: put an `await asyncio.sleep(0)` there"
    assert [row.ended for row in report.tasks] == ["ended by Kill"] * 2
