"""R28: a report as a file: a page, a trace, JSON, text; and what it makes of names that are not fit to print."""

import ast
import json
import random
import subprocess
import sys

import pytest
from tasks import forever, started

from sigtask import Drain, Kill, Ladder, Report, RungReport, TaskReport, Terminate, create_task, stop, wait_requested
from sigtask.report import ENDINGS
from sigtask.testing import turns


def deaf_one(name="deaf", reason="SIGTERM"):
    row = TaskReport(name, "ended by Kill", "kill", {"terminate": 5.0, "kill": 0.25}, coroutine="swallow")
    row.stack, row.stood = ("a.py:1 in main", "b.py:2 in swallow"), {"terminate": "b.py:2 in swallow"}
    rungs = (RungReport("drain", skipped=True), RungReport("terminate", 5.0, 1, 0), RungReport("kill", 0.25, 1, 1))
    return Report("terminate=5s,kill=1s", reason, 5.25, (row, TaskReport("before", "ended before")), rungs)


@pytest.fixture
def written(tmp_path):
    def written(report, name):
        report.write(tmp_path / name)
        return (tmp_path / name).read_text("utf-8")

    return written


# -- which file -------------------------------------------------------------------------------------------------------


def test_r28_the_name_of_the_file_says_what_is_written(written):
    report = deaf_one()
    assert written(report, "r.txt") == f"{report}\n"
    assert json.loads(written(report, "r.json")) == json.loads(json.dumps(report.to_dict()))
    assert "traceEvents" in json.loads(written(report, "r.trace.json"))
    assert written(report, "r.html").startswith("<!doctype html>")


def test_another_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"r\.pdf: a report's name must end in \.html, \.txt, \.trace\.json, \.json"):
        deaf_one().write(tmp_path / "r.pdf")
    assert list(tmp_path.iterdir()) == []


def test_to_html_writes_a_page_whatever_the_name(tmp_path):
    deaf_one().to_html(str(tmp_path / "page"))
    assert (tmp_path / "page").read_text("utf-8").startswith("<!doctype html>")


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    for ending in ENDINGS:
        with pytest.raises(FileNotFoundError):
            deaf_one().write(tmp_path / "nowhere" / f"r{ending}")


@pytest.mark.os
def test_what_writes_files_is_loaded_when_one_is_written():
    code = "import sys; before = {*sys.modules}; import sigtask.report; print({*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not {"json", "hashlib", "sigtask._pictures"} & ast.literal_eval(done.stdout)


# -- names that come from elsewhere ------------------------------------------------------------------------------------

HOSTILE = "</script>\x1b[2J\u202e\ud800\0"


@pytest.mark.parametrize("name", [f"r{ending}" for ending in ENDINGS])
def test_a_report_is_written_whatever_a_task_is_called(written, name):
    text = written(deaf_one(HOSTILE, reason=HOSTILE), name)
    assert not {"\x1b", "\0", "\u202e"} & {*text}
    assert len(text.split("</script>")) == (3 if name == "r.html" else len(text.split("</script>")))


def test_what_a_terminal_would_obey_is_shown_in_text():
    report = deaf_one("deaf\x1b[2J\r\u202e", reason="two\nlines\x07")
    assert r"(reason: two\nlines\x07)" in str(report)
    assert r"deaf\x1b[2J\r\u202e" in str(report)
    assert r"deaf\x1b[2J\r\u202e" in str(report.tasks[0])


def test_letters_of_all_languages_stay(written):
    assert "日本語 é 🙂" in str(deaf_one("日本語 é 🙂"))
    assert "日本語 é 🙂" in written(deaf_one("日本語 é 🙂"), "r.txt")


def test_a_name_and_a_reason_of_several_lines_forge_none_in_the_text(written):
    text = written(deaf_one("deaf\n  0 still running", reason="x\nstopped 9 tasks"), "r.txt")
    assert "(reason: x\\nstopped 9 tasks)" in text.splitlines()[0]
    assert any(line.strip().startswith("deaf\\n  0 still running") for line in text.splitlines())


# -- the trace --------------------------------------------------------------------------------------------------------


@pytest.fixture
def events(written):
    return json.loads(written(deaf_one(), "r.trace.json"))["traceEvents"]


def test_a_trace_has_a_track_for_the_ladder_and_one_for_each_task(events):
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names == {1: "ladder terminate=5s,kill=1s", 2: "deaf", 3: "before"}


def test_a_trace_has_a_span_for_each_rung_in_microseconds(events):
    spans = [(e["tid"], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    ladder = [(1, "drain", 0, 0), (1, "terminate", 0, 5_000_000), (1, "kill", 5_000_000, 250_000)]
    assert spans == [*ladder, (2, "terminate", 0, 5_000_000), (2, "kill", 5_000_000, 250_000)]


def test_a_trace_says_where_a_task_stood_and_how_it_ended(events):
    [span, *_] = [event for event in events if event["ph"] == "X" and event["tid"] == 2]
    assert span["args"]["stack"] == ["a.py:1 in main", "b.py:2 in swallow"]
    assert [(e["tid"], e["name"], e["ts"]) for e in events if e["ph"] == "i"] == [
        (2, "ended by Kill", 5_250_000),
        (3, "ended before", 0),
    ]


def test_every_event_of_a_trace_has_what_the_format_asks_for(events):
    """The Trace Event Format: `ph`, `pid` and `tid` of all; `ts` of all but metadata; `dur` of complete events."""
    for event in events:
        assert {type(event[key]) for key in ("pid", "tid")} == {int} and type(event["name"]) is str
        assert event["ph"] in "XMi" and (event["ph"] == "M") == ("ts" not in event)
        assert ("dur" in event) == (event["ph"] == "X")


@pytest.mark.parametrize("seed", range(50))
def test_spans_of_a_track_never_overlap_which_perfetto_would_drop(written, seed):
    """Its importer leaves out a span that begins, if by a microsecond, before the one before it has ended."""
    rng = random.Random(seed)
    rungs = tuple(RungReport(name, rng.uniform(0, 3e-6), 9, 3) for name in ("drain", "interrupt", "terminate", "kill"))
    rows = [
        TaskReport(f"t{n}", seconds={rung.name: rung.seconds * rng.uniform(0.9, 1.5) for rung in rungs})
        for n in range(9)
    ]
    told = json.loads(written(Report("kill", None, 1.0, tuple(rows), rungs), "r.trace.json"))["traceEvents"]
    ends: dict[int, int] = {}
    for event in (one for one in told if one["ph"] == "X"):
        assert event["ts"] >= ends.get(event["tid"], 0) and event["dur"] >= 0
        ends[event["tid"]] = event["ts"] + event["dur"]
    assert len(ends) == 10


# -- stacks -----------------------------------------------------------------------------------------------------------

FIRM = Ladder((Terminate, 5), (Kill, 1))
HERE = "test_report_files.py"


async def swallow():
    while True:
        try:
            await forever()
        except Terminate:
            pass


async def main():
    await swallow()


def functions(stack):
    assert all(HERE in line or "tasks.py" in line for line in stack)
    return [line.partition(" in ")[2] for line in stack]


async def test_r28_who_refused_a_rung_has_a_stack_the_innermost_line_last():
    [row] = (await stop(await started(main()), ladder=FIRM)).tasks
    assert functions(row.stack) == ["main", "swallow", "forever"]


async def test_r28_who_obeyed_at_once_has_none():
    [row] = (await stop(await started(forever()), ladder=FIRM)).tasks
    assert row.stack == ()


async def test_r28_who_is_still_running_in_the_end_has_a_stack():
    async def waits():
        await wait_requested(Drain)
        await forever()

    task = await started(waits())
    [row] = (await stop(task, ladder=Ladder((Drain, 0.1)))).tasks
    assert (row.ended, functions(row.stack)[-1]) == ("still running", "forever")
    task.kill()
    await turns(3)


async def test_equal_stacks_are_one_object_and_deep_ones_are_cut():
    async def deep(levels):
        if levels:
            await deep(levels - 1)
        else:
            await swallow()

    tasks = [create_task(deep(200)) for _ in range(3)]
    await turns(2)
    rows = (await stop(*tasks, ladder=FIRM)).tasks
    assert len(rows[0].stack) == 50 and functions(rows[0].stack)[-2:] == ["swallow", "forever"]
    assert rows[0].stack is rows[1].stack is rows[2].stack
