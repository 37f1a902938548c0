"""What `explore()` gives, how a run is repeated, how honest it is about what was tried, and what it does not take."""

import asyncio
import itertools
import json
import time
from contextlib import asynccontextmanager

import pytest

from sigtask import Drain, Interrupt, Kill, Terminate, create_task, requested
from sigtask.testing import Exploration, FakeClockLoop, explore, explore_async, turns

PLAIN = asyncio.CancelledError


async def box():
    return []


async def fills(box):
    box.append(1)
    await asyncio.sleep(1)
    box.append(2)
    await asyncio.sleep(0)
    box.pop()
    box.pop()


def is_empty(box):
    assert not box, f"{len(box)} in the box"


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_repeats_just_the_run_that_failed():
    exploration = explore(fills, setup=box, check=is_empty)
    assert len(exploration.failures) == 8
    again = exploration.repeat("terminate.t0.p2")
    assert (again.runs, [one.found for one in again.failures]) == (1, [("check: 2 in the box",)])
    assert explore(fills, setup=box, check=is_empty, only="cancel.t0.p1").failures[0].found == ("check: 1 in the box",)


def test_a_token_may_name_the_signal_by_its_number():
    exploration = explore(fills, setup=box, check=is_empty, signals=(Interrupt, Terminate), only="s1.t0.p2")
    assert [one.token for one in exploration.failures] == ["terminate.t0.p2"]


def test_a_token_of_a_pair_repeats_the_pair():
    async def cleans(box):
        try:
            await asyncio.sleep(1)
        except PLAIN:
            box.append(1)
            await asyncio.sleep(1)
            await asyncio.sleep(1)
            box.clear()
            raise

    exploration = explore(cleans, setup=box, check=is_empty, signals=Terminate, pairs=True)
    assert [one.token for one in exploration.failures] == ["terminate.t0.p1+cancel@1", "terminate.t0.p1+cancel@2"]
    again = explore(cleans, setup=box, check=is_empty, only="terminate.t0.p1+kill@2")
    assert [(one.second, one.found) for one in again.failures] == [("Kill", ("check: 1 in the box",))]


@pytest.mark.parametrize("token", ["", "terminate", "terminate.t0", "terminate.t0.p1+", "nonsense.t0.p1", "s9.t0.p1"])
def test_what_is_no_token_is_refused_in_words(token):
    with pytest.raises(ValueError, match="token|not one of the signals"):
        explore(fills, setup=box, only=token)


def test_a_token_that_leads_nowhere_is_said_to():
    exploration = explore(fills, setup=box, only="terminate.t0.p99")
    assert exploration.runs == 0
    assert "terminate.t0.p99" in str(exploration)
    with pytest.raises(AssertionError):
        exploration.assert_passed()


def test_tokens_that_are_to_come_first_come_first():
    exploration = explore(fills, setup=box, check=is_empty, limit=1, first=["kill.t0.p2"])
    assert [one.token for one in exploration.failures] == ["kill.t0.p2"]


# -- what it gives ----------------------------------------------------------------------------------------------------


def test_a_person_reads_signal_task_line_source_and_how_to_repeat_it():
    text = str(explore(fills, setup=box, check=is_empty, signals=(Terminate, Kill)))
    assert "4 of 4 runs failed" in text
    assert "Terminate, Kill to t0 fills() at " in text
    assert "test_explore.py:" in text
    assert "    await asyncio.sleep(1)" in text
    assert "repeat: 'terminate.t0.p1'" in text


def test_a_program_reads_the_same_as_json():
    exploration = explore(fills, setup=box, check=is_empty, signals=Terminate)
    kept = json.loads(json.dumps(exploration.to_dict()))
    assert [one["token"] for one in kept["failures"]] == ["terminate.t0.p1", "terminate.t0.p2"]
    assert kept["passed"] is False
    assert [(one["task"], one["number"]) for one in kept["points"]] == [(0, 1), (0, 2)]


def test_a_page_has_a_row_for_each_await_and_a_column_for_each_signal(tmp_path):
    async def half(box):
        await asyncio.sleep(1)
        await fills(box)

    exploration = explore(half, setup=box, check=is_empty, signals=(Terminate, Kill))
    exploration.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert (page.count("<tr>"), page.count(">passed<"), page.count("<details open")) == (4, 2, 4)
    assert "<th>Terminate</th><th>Kill</th>" in page
    assert "http" not in page and "<script" not in page


def test_a_page_shows_what_a_program_calls_itself_as_text():
    exploration = Exploration("<script>", 0, (), ("<b>",), (), ("<i>",))
    page = exploration.to_html()
    assert "<script>" not in page and "<b>" not in page and "<i>" not in page


# -- signals, tasks, time ---------------------------------------------------------------------------------------------


def test_each_signal_comes_in_at_the_very_await():
    seen = []

    async def notes():
        for number in range(3):
            try:
                await asyncio.sleep(0)
            except PLAIN as error:
                seen.append((type(error).__name__, number))
                raise

    explore(notes, signals=(Terminate, PLAIN), reuse=False).assert_passed()
    assert seen == [(name, number) for number in range(3) for name in ("Terminate", "CancelledError")]


def test_a_drain_can_be_sent_and_need_not_be_heard():
    heard = []

    async def asks():
        await asyncio.sleep(1)
        heard.append(requested(Drain) is not None)
        await asyncio.sleep(1)

    explore(asks, signals=Drain, reuse=False).assert_passed()
    assert heard == [False, False, True, False]


def test_a_signal_of_ones_own_can_be_sent_as_a_class_and_as_an_instance():
    class DiskFull(Terminate):
        level = 35

    reasons = []

    async def notes():
        try:
            await asyncio.sleep(1)
        except DiskFull as signal:
            reasons.append(signal.reason)
            raise

    exploration = explore(notes, signals=(DiskFull, DiskFull("no space")))
    exploration.assert_passed()
    assert reasons == [None, "no space"]


@pytest.mark.parametrize("make", [asyncio.create_task, create_task], ids=["asyncio", "sigtask"])
def test_spawned_tasks_get_signals_whoever_makes_them(make):
    async def spawns():
        await make(asyncio.sleep(1))

    points = explore(spawns, signals=Terminate).points
    assert [(one.task, one.number) for one in points] == [(0, 1), (1, 1)]


@pytest.mark.parametrize("make", [asyncio.create_task, create_task], ids=["asyncio", "sigtask"])
async def test_spawned_tasks_get_signals_in_a_running_loop_too_whoever_makes_them(make):
    async def spawns():
        await make(asyncio.sleep(1))

    points = (await explore_async(spawns, signals=Terminate)).points
    assert [(one.task, one.number) for one in points] == [(0, 1), (1, 1)]


def test_tasks_that_setup_or_nobody_has_spawned_get_none():
    async def server():
        while True:
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def served():
        task = asyncio.create_task(server())
        yield task
        task.cancel()

    async def uses(task):
        await asyncio.sleep(1)

    exploration = explore(uses, setup=served, signals=Terminate)
    exploration.assert_passed()
    assert [one.task for one in exploration.points] == [0]


def test_what_setup_has_after_its_yield_comes_last_in_every_run():
    ends = []

    @asynccontextmanager
    async def room():
        async with asyncio.timeout(1000):
            yield []
        ends.append(1)

    async def waits(state):
        await asyncio.sleep(1)

    exploration = explore(waits, setup=room, check=lambda state: ends.append(0), signals=(Terminate, Kill))
    exploration.assert_passed()
    assert ends == [0, 1] * 4


def test_hours_cost_no_time_and_real_time_is_real():
    async def sleeps():
        await asyncio.sleep(0.05 if real else 3600)

    real = False
    began = time.monotonic()
    explore(sleeps).assert_passed()
    assert time.monotonic() - began < 5
    real = True
    began = time.monotonic()
    explore(sleeps, signals=Terminate, real_time=True).assert_passed()
    assert time.monotonic() - began >= 0.1


def test_an_eager_hand_with_the_task_factory_changes_nothing():
    async def installs():
        import sigtask

        sigtask.install()
        await asyncio.create_task(asyncio.sleep(1))

    assert [one.task for one in explore(installs, signals=Terminate).points] == [0, 1]


# -- honest about what was tried --------------------------------------------------------------------------------------


def test_awaits_that_are_never_suspended_are_listed():
    async def quick():
        return 1

    async def branches(box):
        await quick()
        await asyncio.sleep(1)
        if box:
            await asyncio.sleep(2)

    exploration = explore(branches, setup=box, signals=Terminate)
    assert [one.partition(": ")[2] for one in exploration.untried] == ["await quick()", "await asyncio.sleep(2)"]


def test_awaits_of_functions_that_it_calls_are_listed_too():
    async def helper(flag):
        await asyncio.sleep(1)
        if flag:
            async with asyncio.timeout(1):
                pass

    async def calls():
        await helper(False)

    (untried,) = explore(calls, signals=Terminate).untried
    assert untried.endswith("async with asyncio.timeout(1):")


def test_a_state_that_the_runs_share_is_named():
    shared = []

    async def setup():
        return shared

    async def once(state):
        if not state:
            await asyncio.sleep(1)
        state.append(1)
        await asyncio.sleep(1)

    notes = "\n".join(explore(once, setup=setup, signals=Terminate).notes)
    assert "setup() gave the same list to two runs" in notes
    assert "the first run is suspended 2 times, each later one 1 times" in notes


def test_where_suspensions_differ_from_run_to_run_signals_go_by_line():
    dice = itertools.count(1)

    async def rolls():
        for _ in range(next(dice)):
            await asyncio.sleep(0)
        await asyncio.sleep(1)

    exploration = explore(rolls, signals=Terminate, reuse=False)
    assert any("suspensions differ from run to run (the order of a set, random" in note for note in exploration.notes)
    assert exploration.runs > 1


def test_a_failure_that_was_found_by_line_has_a_token_that_repeats_it():
    dice = itertools.count(1)

    async def rolls(box):
        for _ in range(next(dice)):
            await turns(1)
        box.append(1)
        await asyncio.sleep(1)
        box.clear()

    exploration = explore(rolls, setup=box, check=is_empty, signals=Terminate, reuse=False)
    (failure,) = exploration.failures
    assert "test_explore.py:" in failure.token and failure.token.endswith("#1")
    assert exploration.repeat(failure.token).failures[0].found == failure.found


def test_a_limit_bounds_the_runs_and_says_how_many_are_left_out():
    exploration = explore(fills, setup=box, limit=3)
    assert exploration.runs == 3
    assert "limit=3: 5 more runs were left out" in exploration.notes


# -- what it does not take --------------------------------------------------------------------------------------------


def test_a_coroutine_in_the_place_of_a_function_is_refused_in_words():
    with pytest.raises(TypeError, match=r"give it the function box, not box\(\)"):
        explore(box())


def test_a_function_that_is_not_async_is_refused_in_words():
    def plain():
        return 5

    with pytest.raises(TypeError, match=r"plain\(\) gave 5, not a coroutine"):
        explore(plain)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signals": ()}, "nothing to try"),
        ({"signals": (ValueError,)}, "neither a signal"),
        ({"limit": 0}, "1 or more"),
        ({"tasks": "some"}, "numbers of tasks"),
        ({"tasks": -1}, "numbers of tasks"),
        ({"setup": 5}, "takes a function as its setup"),
        ({"setup": lambda: 5}, "an async context manager"),
        ({"check": "no"}, "takes a function as its check"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(options, words):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=words):
        explore(fills if "setup" in options else box, **options)


def test_an_operation_that_is_never_suspended_does_not_pass():
    exploration = explore(box)
    with pytest.raises(AssertionError, match=r"nothing was tried[\s\S]*never suspended: there is no await"):
        exploration.assert_passed()


def test_an_operation_that_waits_for_ever_is_named_with_its_line():
    async def waits():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(
        RuntimeError, match=r"waits\(\) does not end by itself[\s\S]*test_explore.py:\d+[\s\S]*ends=False"
    ):
        explore(waits)


def test_an_operation_that_spins_for_ever_is_bounded_and_named():
    async def spins():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=r"spins\(\) does not end by itself: after 10,000"):
        explore(spins)


def test_a_worker_that_does_not_end_by_itself_can_be_explored():
    async def worker(queue):
        while True:
            item = await queue.get()
            try:
                await asyncio.sleep(item)
            finally:
                queue.task_done()

    async def setup():
        queue = asyncio.Queue()
        queue.put_nowait(1)
        queue.put_nowait(2)
        return queue

    exploration = explore(worker, setup=setup, signals=(Interrupt, Terminate, PLAIN), ends=False)
    exploration.assert_passed()
    assert len(exploration.points) == 3


def test_an_operation_that_fails_without_a_signal_is_said_to():
    async def fails():
        await asyncio.sleep(0)
        raise OSError("no such host")

    with pytest.raises(RuntimeError, match=r"fails\(\) fails without any signal: OSError: no such host at ") as raised:
        explore(fails)
    assert isinstance(raised.value.__cause__, OSError)


def test_a_setup_that_fails_or_does_not_end_is_said_to():
    async def fails():
        raise OSError("no such host")

    async def waits():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match=r"setup\(\) fails without any signal: OSError"):
        explore(fills, setup=fails)
    with pytest.raises(RuntimeError, match=r"setup\(\) did not end"):
        explore(fills, setup=waits)


def test_a_check_that_fails_without_a_signal_is_said_to():
    def check(box):
        assert box == [1]

    with pytest.raises(AssertionError, match=r"fails without any signal: check: assert "):
        explore(fills, setup=box, check=check)


def test_a_check_that_raises_something_else_is_said_to_have_failed_itself():
    def check(box):
        if box:
            raise KeyError("x")

    exploration = explore(fills, setup=box, check=check, signals=Terminate)
    assert exploration.failures[0].found[0].startswith("check() itself failed: KeyError: 'x' at ")


# -- in a loop that runs ----------------------------------------------------------------------------------------------


async def test_explore_refuses_in_a_running_loop_and_says_what_to_use():
    with pytest.raises(RuntimeError, match="await explore_async"):
        explore(fills)


async def test_explore_async_does_the_same_in_the_loop_that_runs():
    async def short(box):
        box.append(1)
        await asyncio.sleep(0)
        box.append(2)
        await asyncio.sleep(0.001)
        box.clear()

    async def pair(box):
        await asyncio.gather(short(box), asyncio.sleep(0.01))

    loop = asyncio.get_running_loop()
    before = loop.get_task_factory(), loop.get_exception_handler()
    exploration = await explore_async(pair, setup=box, check=is_empty, signals=(Terminate, PLAIN), tasks=(0, 1))
    assert {one.token for one in exploration.failures} >= {"terminate.t0.p1", "cancel.t1.p1", "cancel.t1.p2"}
    assert (loop.get_task_factory(), loop.get_exception_handler()) == before


@pytest.mark.clock
@pytest.mark.parametrize("hangs", ["operation", "setup"])
async def test_explore_async_that_is_cancelled_leaves_nothing_behind(hangs):
    async def slow(*_):
        await asyncio.sleep(3600)

    async def rests(_):
        await asyncio.sleep(0)

    operation, setup = (slow, box) if hangs == "operation" else (rests, slow)
    before = asyncio.all_tasks()
    task = asyncio.create_task(explore_async(operation, setup=setup))
    await turns(5)
    task.cancel()
    await asyncio.wait([task])
    await turns(5)
    assert task.cancelled()
    assert asyncio.all_tasks() == before


def test_explore_leaves_the_process_as_it_was():
    import gc
    import sys
    import warnings

    before = sys.unraisablehook, warnings.showwarning, list(warnings.filters), gc.isenabled(), gc.get_freeze_count()
    explore(fills, setup=box)
    assert before == (
        sys.unraisablehook, warnings.showwarning, list(warnings.filters), gc.isenabled(), gc.get_freeze_count()
    )  # fmt: skip
    assert FakeClockLoop.patience == 2.0
