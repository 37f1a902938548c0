"""R28: the report of a stop."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tasks import forever, line_of, started

from sigtask import Drain, Interrupt, Kill, Ladder, Report, Terminate, stop, wait_requested
from sigtask.report import SHOWN, RungReport, TaskReport, ThreadReport
from sigtask.testing import turns

pytestmark = pytest.mark.clock
FIRM = Ladder((Terminate, 5), (Kill, 1))
HERE = "test_report.py"


async def swallows():
    while True:
        try:
            await forever()
        except Kill:
            raise
        except asyncio.CancelledError:
            pass


async def cleans_up(seconds):
    try:
        await forever()
    finally:
        await asyncio.sleep(seconds)


async def stopped(*coros, ladder=FIRM, reason=None):
    tasks = [await started(coro, name=coro.__name__) for coro in coros]
    await turns(2)
    return await stop(*tasks, ladder=ladder, reason=reason)


# -- how, when ---------------------------------------------------------------------------------------------------------


async def returns():
    try:
        await forever()
    except Terminate:
        return


async def cancels_itself():
    try:
        await forever()
    finally:
        asyncio.current_task().uncancel()
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("body", "ended"),
    [(forever, "ended by Terminate"), (returns, "returned"), (cancels_itself, "raised ValueError")],
)
async def test_r28_the_report_says_how_a_task_ended_and_at_which_rung(body, ended):
    [row] = (await stopped(body())).tasks
    assert (row.name, row.ended, row.rung) == (body.__name__, ended, "terminate")


async def test_r28_a_task_that_a_plain_cancel_ended_meanwhile_was_cancelled():
    async def listens():
        await wait_requested(Drain)
        await forever()

    task = await started(listens())
    asyncio.get_running_loop().call_later(1, task.cancel)
    [row] = (await stop(task, ladder=Ladder((Drain, 10), Kill))).tasks
    assert (row.ended, row.rung) == ("cancelled", "drain")


async def test_r28_a_task_has_its_seconds_for_each_rung_it_saw():
    async def slow():
        try:
            await swallows()
        finally:
            pass

    quick, long = await started(cleans_up(2)), await started(slow())
    report = await stop(quick, long, ladder=Ladder((Interrupt, 3), (Terminate, 4), (Kill, 1)))
    assert [row.seconds for row in report.tasks] == [{"interrupt": 2}, {"interrupt": 3, "terminate": 4, "kill": 0}]


async def test_r28_each_rung_says_how_long_it_took_and_how_many_it_ended():
    report = await stopped(cleans_up(2), cleans_up(3), swallows(), ladder=FIRM)
    assert report.rungs == (
        RungReport("terminate", seconds=5, sent=3, ended=2),
        RungReport("kill", seconds=0, sent=1, ended=1),
    )


async def test_r28_the_report_has_the_seconds_in_all():
    assert (await stopped(cleans_up(2), swallows())).seconds == 5


# -- where ------------------------------------------------------------------------------------------------------------


async def calls_asyncio():
    await asyncio.sleep(1000)  # here


async def in_a_helper():
    await calls_asyncio()


async def in_a_queue():
    await asyncio.Queue().get()  # here


async def in_a_taskgroup():
    async with asyncio.TaskGroup() as group:  # here
        group.create_task(forever())


async def in_a_condition():
    condition = asyncio.Condition()
    async with condition:
        await condition.wait()  # here


async def in_wait_for():
    await asyncio.wait_for(asyncio.Event().wait(), 1000)  # here


async def in_wait_requested():
    await wait_requested(Interrupt)  # here


@asynccontextmanager
async def waits_at_the_end():
    yield
    await asyncio.sleep(1000)


async def in_a_context_manager():
    async with waits_at_the_end():
        pass  # here


@pytest.mark.parametrize(
    "body", [calls_asyncio, in_a_queue, in_a_taskgroup, in_a_condition, in_wait_for, in_wait_requested]
)
async def test_r28_where_a_task_stood_is_the_users_line_and_not_asyncios(body):
    [row, *_] = (await stopped(body(), ladder=Ladder((Terminate, 1), Kill))).tasks
    place = row.stood["terminate"]
    line = line_of(body, "# here")
    # Python 3.11 counts a line after the `with` as the `with` itself
    assert place.endswith((f"{HERE}:{line} in {body.__name__}", f"{HERE}:{line + 1} in {body.__name__}"))


async def test_r28_where_a_task_stood_is_the_innermost_of_the_users_lines():
    [row] = (await stopped(in_a_helper())).tasks
    assert row.stood["terminate"].endswith(f":{line_of(calls_asyncio, '# here')} in calls_asyncio")


async def test_r28_where_a_task_stood_is_not_a_line_of_the_standard_library():
    [row] = (await stopped(in_a_context_manager())).tasks
    assert row.stood["terminate"].endswith(" in waits_at_the_end")


async def test_r28_where_it_stood_is_told_for_each_rung():
    async def body():
        try:
            await forever()
        finally:
            await calls_asyncio()

    [row] = (await stopped(body())).tasks
    assert list(row.stood) == ["terminate", "kill"]
    assert row.stood["kill"].endswith(" in calls_asyncio")


async def test_r28_a_place_below_the_working_directory_is_relative_to_it(monkeypatch):
    monkeypatch.chdir(__file__.rpartition("/")[0])
    [row] = (await stopped(calls_asyncio())).tasks
    assert row.stood["terminate"] == f"{HERE}:{line_of(calls_asyncio, '# here')} in calls_asyncio"


async def test_r28_a_working_directory_that_is_gone_does_no_harm(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    [row] = (await stopped(calls_asyncio())).tasks
    assert row.stood["terminate"].startswith(__file__)


# -- who refused ------------------------------------------------------------------------------------------------------


async def swallows_here():
    while True:
        try:
            await calls_asyncio()  # swallowed
        except Terminate:
            pass


async def test_r28_a_task_that_swallows_every_kill_is_abandoned_and_counted(deaf):
    [row] = (await stopped(deaf())).tasks
    assert (row.ended, row.abandoned, row.refused > 1, row.rung) == ("abandoned", True, True, "kill")


async def test_r28_awaits_that_a_kill_refused_are_counted():
    async def body():
        try:
            await forever()
        finally:
            try:
                await asyncio.sleep(1)
            finally:
                await asyncio.sleep(1)

    [row] = (await stopped(body(), ladder=Ladder((Kill, 1)))).tasks
    assert (row.ended, row.refused, row.abandoned) == ("ended by Kill", 2, False)


async def test_r28_survivors_are_those_that_are_still_running():
    quick, stubborn = await started(forever(), name="quick"), await started(swallows(), name="stubborn")
    report = await stop(quick, stubborn, ladder=Ladder((Terminate, 1)))
    assert [row.name for row in report.survivors] == ["stubborn"]
    stubborn.kill()


async def test_r28_resisted_are_those_that_a_person_should_look_at():
    report = await stopped(forever(), swallows(), returns())
    assert [row.name for row in report.resisted] == ["swallows"]


# -- for people, for programs -----------------------------------------------------------------------------------------


async def test_r28_totals_count_each_way_of_ending():
    report = await stopped(forever(), forever(), returns(), cancels_itself())
    assert report.totals == {"ended by Terminate": 2, "returned": 1, "raised ValueError": 1}


async def test_r28_str_is_for_people(monkeypatch, nobody_listens):
    monkeypatch.chdir(__file__.rpartition("/")[0])
    report = await stopped(forever(), swallows_here(), ladder=Ladder((Drain, 9), *FIRM.rungs), reason="disk full")
    line = line_of(swallows_here, "# swallowed")
    inner = f"{HERE}:{line_of(calls_asyncio, '# here')} in calls_asyncio"
    assert str(report).splitlines() == [
        "stopped 2 tasks in 5.00 s (reason: disk full)",
        "  drain        0.00 s  skipped: nobody can hear it",
        "  terminate    5.00 s  1 of 2 ended",
        "  kill         0.00 s  1 of 1 ended",
        "  1 ended by Terminate, 1 ended by Kill",
        "  swallows_here: ended by Kill",
        f"      at terminate and kill it stood at {inner}",
        f"      swallowed Terminate at {HERE}:{line}",
    ]


async def test_r28_str_says_who_is_still_running():
    task = await started(swallows(), name="stubborn")
    report = await stop(task, ladder=Ladder((Terminate, 1)))
    assert str(report).splitlines()[0] == "1 still running of 1 task in 1.00 s"
    assert "  stubborn (swallows): still running" in str(report).splitlines()
    task.kill()


def test_r28_str_names_so_many_and_counts_the_rest():
    rows = tuple(TaskReport("t", coroutine=f"c{n}") for n in range(SHOWN + 5))
    text = str(Report("kill=1s", None, 1.0, rows, ()))
    assert text.count(": still running\n") == SHOWN
    assert text.endswith("and 5 other tasks")


def test_r28_str_of_a_report_without_tasks_says_so():
    assert "there was no task to stop" in str(Report("kill=1s", None, 0.0, (), ()))


def test_r28_str_names_the_threads_that_kept_the_process():
    report = Report("kill=1s", None, 0.0, (), (), (ThreadReport("worker", False, "a.py:3 in work"),), note="forced")
    assert "thread worker at a.py:3 in work" in str(report)


async def test_r28_to_dict_is_json_and_has_it_all(deaf):
    report = await stopped(forever(), deaf(), reason=ValueError("no"))
    again = json.loads(json.dumps(report.to_dict()))
    assert (again["ladder"], again["reason"], again["seconds"]) == ("terminate=5s,kill=1s", "no", 5)
    assert again["totals"] == {"ended by Terminate": 1, "abandoned": 1}
    assert [rung["name"] for rung in again["rungs"]] == ["terminate", "kill"]
    assert again["tasks"][1]["abandoned"] is True


@pytest.mark.parametrize(("reason", "text"), [(None, None), ("why", "why"), (ValueError(), "ValueError()"), (42, "42")])
async def test_r28_the_reason_is_in_the_report_as_text(reason, text):
    assert (await stopped(forever(), reason=reason)).reason == text


async def test_r28_a_descendant_has_its_row_and_says_that_it_is_one():
    async def parent():
        await asyncio.create_task(swallows(), name="child")

    report = await stopped(parent(), ladder=FIRM)
    assert [(row.name, row.descendant, row.ended) for row in report.tasks] == [
        ("parent", False, "ended by Kill"),
        ("child", True, "ended by Kill"),
    ]


# -- names, groups, and the process ------------------------------------------------------------------------------------


class Producer:
    async def send(self):
        await forever()


async def test_r28_a_row_names_the_task_and_what_it_runs():
    first, second = await started(Producer().send()), await started(forever(), name="orders")
    report = await stop(first, second, ladder=Ladder((Kill, 1)))
    assert [row.coroutine for row in report.tasks] == ["Producer.send", "forever"]
    assert f"  {first.get_name()} (Producer.send): ended by Kill" in str(report).splitlines()
    assert "  orders (forever): ended by Kill" in str(report).splitlines()


async def test_r28_a_function_inside_another_goes_by_its_own_name():
    async def inner():
        await forever()

    [row] = (await stopped(inner(), ladder=Ladder((Kill, 1)))).tasks
    assert (row.coroutine, str(row).splitlines()[0]) == (inner.__qualname__, "inner: ended by Kill")


async def test_r28_a_stock_task_has_its_coroutine_too():
    task = asyncio.Task(forever(), name="stock", loop=asyncio.get_running_loop())
    await turns(1)
    assert (await stop(task, ladder=FIRM)).tasks[0].coroutine == "forever"


async def test_r28_equal_rows_are_shown_as_one():
    tasks = [await started(swallows_here(), name=f"w{n}") for n in range(200)]
    report = await stop(*tasks, await started(swallows(), name="other"), ladder=FIRM)
    lines = str(report).splitlines()
    assert [line for line in lines if line.startswith("  ") and line[2] not in " 0123456789dtk"] == [
        "  other (swallows): ended by Kill"
    ]
    assert "  200 tasks (swallows_here), e.g. w0: ended by Kill" in lines
    assert len(report.tasks) == len(report.to_dict()["tasks"]) == 201


@pytest.mark.parametrize("other", [{"swallowed": ["x"]}, {"note": "n"}, {"stood": {"kill": "p"}}, {"coroutine": "d"}])
def test_r28_rows_that_differ_are_shown_apart(other):
    rows = (TaskReport("a", coroutine="c"), TaskReport("b", **{"coroutine": "c", **other}))
    assert "2 tasks (c)" not in str(Report("kill=1s", None, 1.0, rows, ()))


def test_r28_who_is_still_running_comes_first():
    rows = (
        TaskReport("a", "ended by Kill", "kill"),
        TaskReport("b", "abandoned", "kill", abandoned=True),
        TaskReport("c"),
    )
    text = str(Report("kill=1s", None, 1.0, rows, ()))
    assert text.index("\n  c: ") < text.index("\n  b: ") < text.index("\n  a: ")


async def test_r28_the_report_has_the_process_and_when_the_stop_began():
    before = datetime.now(UTC)
    report = await stopped(forever())
    assert (report.pid, report.status) == (os.getpid(), None)
    began = datetime.fromisoformat(report.began)
    assert began.utcoffset() == timedelta(0)
    assert timedelta(seconds=-1) < began - before < timedelta(seconds=60)
    assert json.loads(json.dumps(report.to_dict()))["began"] == report.began


def test_r28_a_status_is_shown_when_it_is_known():
    report = Report("kill=1s", None, 1.0, (), (), pid=77, began="2027-01-31T03:12:45.123+00:00")
    assert "77" not in str(report)
    report.status = 143
    assert (
        "  process 77, told to stop at 2027-01-31T03:12:45.123+00:00, ends with status 143" in str(report).splitlines()
    )
    assert (report.to_dict()["pid"], report.to_dict()["status"]) == (77, 143)
