"""The report's page as Chromium shows it: what it draws, what it can be asked, who can read it."""

import asyncio
import importlib.util
import json
import time

import pytest
from conftest import ROOT, deaf, report_of, row, ten_thousand

from sigtask import ChildReport, Report, ThreadReport
from sigtask.testing import FakeClockLoop

pytestmark = pytest.mark.os
HOSTILE = "<img src=x onerror=\"document.title='obeyed'\"></script><script>document.title='obeyed'</script>&amp;"

BARS = """[...document.querySelectorAll(%r)].map((bars) => [...bars.querySelectorAll('path')].map((path) => {
  const { x, width } = path.getBBox();
  return [path.getAttribute('class'), getComputedStyle(path).fill, Math.round(x), Math.round(width)];
}))"""


def bars_in(page, selector):
    """Of each picture there, its bars: class, colour, and where they begin and how long they are, of 1000."""
    return page.run(BARS % selector)


def keys(page, *names):
    for name in names:
        page.press(name, {"Tab": 9, "Enter": 13, " ": 32}[name])


# -- what it draws ----------------------------------------------------------------------------------------------------


def test_a_task_has_a_bar_for_each_rung_as_long_as_it_took(show):
    page = show(report_of(row("a", seconds=(7.6,), rung="drain"), row("b", seconds=(10.0, 2.5)), deaf()))
    drained, terminated, kill = sorted(bars_in(page, "#tasks .bars"), key=len)
    assert [bar[0] for bar in kill] == ["r-drain", "r-terminate", "r-kill"]
    assert [bar[2:] for bar in drained] == [[0, 500]]
    assert [bar[2:] for bar in terminated] == [[0, 658], [658, 164]]


def test_each_rung_has_a_colour_of_its_own(show):
    for scheme in ("light", "dark"):
        [bars, *_] = bars_in(show(report_of(deaf()), scheme=scheme), ".refuser .bars")
        assert len({colour for _, colour, _, _ in bars}) == 3


def test_a_rung_of_no_time_is_still_seen(show):
    [bars, *_] = bars_in(show(report_of(row("a", "ended by Kill", "kill", (10.0, 5.0, 0.0)))), ".refuser .bars")
    assert bars[-1][0] == "r-kill" and bars[-1][3] >= 3


def test_who_refused_stands_on_top_with_its_stack(show):
    page = show(report_of(row("polite"), deaf(), deaf("other", swallowed=[])))
    assert page.text("#resisted h2") == ["2 tasks need attention"]
    assert page.text(".refuser h3") == ["deaf swallow", "other swallow"]
    assert page.text(".refuser:first-child .stack li") == ["app.py:3 in main", "lib.py:9 in swallow"]
    assert "swallowed Terminate at lib.py:9" in page.text(".refuser:first-child .said")[0]


def test_equal_rows_are_one_and_open_to_a_bar_for_each_task(show):
    page = show(report_of(*(row(f"c{n}", seconds=(10.0, n + 1.0)) for n in range(4)), row("other", coroutine="else")))
    assert page.text("#rows .toggle") == ["4 tasks, e.g. c0", "other"]
    page.run("document.querySelector('.toggle').click()")
    assert page.text("#rows .member td:first-child") == ["c3", "c2", "c1", "c0"]
    assert [bars[1][3] for bars in bars_in(page, ".member .bars")] == [263, 197, 132, 66]
    page.run("document.querySelector('.toggle').click()")
    assert page.text("#rows .member") == []


def test_the_ladder_is_told_in_numbers_too(show):
    page = show(report_of(row("a"), row("b", rung="drain", seconds=(3,)), deaf()))
    assert [line.split() for line in page.text("#rungs tbody tr")] == [
        ["drain", "10.00", "3", "1"],
        ["terminate", "5.00", "3", "1"],
        ["kill", "0.20", "3", "1"],
    ]


def test_what_the_process_left_behind_is_shown(show):
    threads, children = (ThreadReport("pool", False, "lib.py:1 in work"),), (ChildReport(12, "sleep 9"),)
    page = show(report_of(deaf(), note="ended by force", threads=threads, children=children, status=143))
    [said] = page.text("#left")
    for words in ("ended by force", "thread pool at lib.py:1 in work", "12 (sleep 9)"):
        assert words in said
    assert "ended with status 143" in page.text("#about")[0]


def test_a_report_of_no_task_and_no_rung_is_a_page(show):
    page = show(Report("kill=1s", None, 0.0, (), ()))
    assert page.text("h1") == ["There was no task to stop; ended in 0.00 s"]
    assert page.text("main h2") == []
    assert page.said("Runtime.exceptionThrown") == []


def test_a_task_that_no_rung_came_to_has_no_bar(show):
    report = Report("kill=1s", "SIGTERM", 1.0, (row("a", "still running", None, ()),), ())
    page = show(report)
    assert page.text("#resisted h2") == ["1 task needs attention"]
    assert page.run("document.querySelectorAll('.bars').length") == 0
    assert page.text("#rows .small:last-child")[-1] == "no rung came to it"


def test_a_rung_of_a_class_of_the_users_is_drawn(show):
    report = report_of(row("a"))
    report.rungs[0].name = "reload"
    report.tasks[0].seconds = {"reload": 10.0, "terminate": 1.0}
    [bars] = bars_in(show(report), "#tasks .bars")
    assert [bar[0] for bar in bars] == ["r-other0", "r-terminate"]


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(show):
    return show(report_of(row("west-1"), row("west-2", rung="drain", seconds=(2.0,), ended="returned"), deaf("east")))


def choose(page, field, value):
    page.run(f"(() => {{ const one = document.getElementById({field!r}); one.value = {value!r}; "
             "one.dispatchEvent(new Event('input', {bubbles: true})); })()")  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("by-name", "WEST", ["west-1", "west-2"]),
        ("by-name", "lib.py:9", ["east"]),
        ("by-name", "serve", ["west-1", "west-2"]),
        ("by-rung", "=drain", ["west-2"]),
        ("by-ending", "=ended by Kill", ["east"]),
        ("by-name", "nobody", []),
    ],
)
def test_tasks_are_filtered_by_name_rung_and_ending(three, field, value, names):
    choose(three, field, value)
    assert three.text("#rows .toggle") == names
    number = "3 tasks" if len(names) == 3 else f"{len(names)} of 3 tasks"
    assert three.text("#shown")[0].startswith(number)


def test_show_all_takes_the_filters_back(three):
    choose(three, "by-name", "east")
    three.run("document.querySelector('button[type=reset]').click()")
    three.wait_for("document.querySelectorAll('#rows .toggle').length === 3")


def test_a_filter_takes_names_apart_that_share_a_row(show):
    page = show(report_of(*(row(f"c{n}") for n in range(20))))
    choose(page, "by-name", "c1")
    assert page.text("#rows .toggle") == ["11 tasks, e.g. c1"]


def test_the_order_can_be_chosen(three):
    choose(three, "order", "name")
    assert three.text("#rows .toggle") == ["east", "west-1", "west-2"]


# -- ten thousand -----------------------------------------------------------------------------------------------------


def test_ten_thousand_tasks_are_a_small_page_that_answers_at_once(show, tmp_path):
    page = show(ten_thousand())
    assert (tmp_path / "stop.html").stat().st_size < 600_000
    assert page.run("document.querySelectorAll('*').length") < 500
    spent = page.run("""(() => { const start = performance.now(); const name = document.getElementById('by-name');
        for (const text of ['c', 'connection-99', 'deaf', '']) {
          name.value = text; name.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight; }
        return performance.now() - start; })()""")
    assert spent < 1000, "four letters typed"


def test_of_ten_thousand_equal_tasks_a_hundred_more_can_be_seen_at_a_time(show):
    page = show(ten_thousand())
    page.run("[...document.querySelectorAll('.toggle')].at(-1).click()")
    assert len(page.text(".member")) == 100
    page.run("document.querySelector('.more button').click()")
    assert len(page.text(".member")) == 200
    assert page.run("document.activeElement === document.querySelectorAll('.member')[100]")


def test_ten_thousand_different_tasks_are_shown_a_hundred_at_a_time(show):
    page = show(report_of(*(row(f"t{n}", coroutine=f"c{n}") for n in range(10_000))))
    assert len(page.text("#rows .toggle")) == 100
    page.run("document.getElementById('more').click()")
    assert len(page.text("#rows .toggle")) == 200


def test_a_page_of_ten_thousand_is_written_before_the_watchdog_loses_patience(tmp_path):
    report, start = ten_thousand(), time.perf_counter()
    report.to_html(tmp_path / "stop.html")
    assert time.perf_counter() - start < 1.0  # of two seconds


# -- for everybody ----------------------------------------------------------------------------------------------------

AXE = """axe.run(document, {resultTypes: ['violations']}).then((found) =>
  found.violations.map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' ')))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_roles_and_contrast_are_as_wcag_has_them(show, axe, width, scheme):
    report = report_of(row("a"), row("b"), deaf(), note="ended by force")
    report.rungs[0].name, report.rungs[2].unasked = "reload", True
    page = show(report, width=width, scheme=scheme)
    page.run("document.querySelectorAll('.toggle, summary').forEach((one) => one.click())")
    page.call("Runtime.evaluate", expression=axe)
    assert page.run(AXE) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_at_the_side(show, width):
    page = show(report_of(row("n" * 300), deaf("d" * 300), reason="r" * 300), width=width)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_a_bar_says_in_words_what_it_draws(show):
    page = show(report_of(deaf()))
    said = page.run("document.querySelector('.refuser .bars').getAttribute('aria-label')")
    assert said == "drain 10.00 s, terminate 5.00 s, kill 0.20 s"


def test_the_keyboard_comes_everywhere(show):
    page = show(report_of(row("west"), row("north"), deaf()))
    page.run("document.getElementById('by-name').focus()")
    page.type("west")
    assert page.text("#rows .toggle") == ["west"]
    page.run("document.querySelector('.toggle').focus()")
    keys(page, "Enter")
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    keys(page, " ")
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "false"
    keys(page, "Tab")
    assert page.run("document.activeElement.tagName") in ("BUTTON", "SUMMARY")


def test_it_is_printed_without_what_only_a_screen_needs(show):
    page = show(report_of(row("a"), deaf()), media="print", scheme="dark")
    assert page.run("getComputedStyle(document.getElementById('filters')).display") == "none"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_the_report_is_there_in_words(browser, tmp_path):
    report = report_of(deaf())
    report.to_html(tmp_path / "stop.html")
    page = browser.open("/dev/null")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.navigate", url=(tmp_path / "stop.html").as_uri())
    page.wait_for("document.readyState === 'complete' && document.querySelector('pre')")
    assert page.run("document.querySelector('pre').textContent") == str(report)
    assert page.run("document.querySelector('noscript').innerText") != ""


# -- what comes from elsewhere ----------------------------------------------------------------------------------------


def test_markup_in_names_and_reasons_is_shown_and_not_obeyed(show):
    stood = {"stack": (HOSTILE,), "swallowed": [HOSTILE], "coroutine": HOSTILE, "note": HOSTILE}
    threads = (ThreadReport(HOSTILE, False, HOSTILE),)
    page = show(report_of(deaf(HOSTILE, **stood), reason=HOSTILE, note=HOSTILE, threads=threads, ladder=HOSTILE))
    assert page.said("Log.entryAdded") == []
    assert "obeyed" not in page.run("document.title").replace(HOSTILE, "")
    assert page.run("document.images.length") == 0
    assert page.text(".refuser h3")[0].startswith(HOSTILE)
    assert page.text(".refuser .stack li") == [HOSTILE]


def test_escapes_and_directions_are_shown_and_not_obeyed(show):
    page = show(report_of(deaf("\x1b[31mred\u202e\ud800\0")))
    assert page.text(".refuser h3") == [r"\x1b[31mred\u202e\ud800\x00 swallow"]


def test_it_asks_the_network_for_nothing(show):
    page = show(report_of(deaf()))
    asked = [one["request"]["url"] for one in page.said("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
    assert page.run("fetch('https://example.org/').then(() => 'came', (error) => 'refused')") == "refused"


def test_the_page_in_the_docs_is_what_the_example_draws(browser):
    """Made by `python examples/picture.py docs/img/stop.html`; the process and the time are its own."""
    spec = importlib.util.spec_from_file_location("picture", ROOT / "examples" / "picture.py")
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        fresh = runner.run(picture.shop(12))
    page = browser.open(ROOT / "docs" / "img" / "stop.html")
    shown = page.run("JSON.parse(document.getElementById('report').textContent)")
    drawn = json.loads(json.dumps(fresh._picture()))
    assert (shown["rungs"], shown["groups"]) == (drawn["rungs"], drawn["groups"])
    assert page.said("Runtime.exceptionThrown") == []
