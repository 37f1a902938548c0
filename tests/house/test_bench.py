"""The benchmarks run: each row's workload once, the smallest there is, and the tables and plots made of it."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
MODULES = [path.stem for path in sorted(BENCH.glob("*.py"))]
KINDS = ["stock", "sigtask", "pytask", "asynkit", "anyio", "trio", "quattro", "aiotools"]
LOOPS = ["asyncio", "uvloop"]
LARGE = ["stop", "deaf"]  # measured in several sizes, so no rows of their own


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of the benchmarks; they are scripts, and import each other by their bare names."""
    monkeypatch.syspath_prepend(str(BENCH))
    before = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(before)


def worker(mode, kind, loop, jobs):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(BENCH / "worker.py"), mode, kind, loop, *jobs]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def row_names(bench):
    return [*(row.name for row in bench("rows").IN_PROCESS), *LARGE]


@pytest.mark.os
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_workload_of_every_contender_runs(bench, kind, loop):
    contender = bench("contenders").CONTENDERS[kind]
    if loop not in contender.loops:
        pytest.skip(f"{kind} has no tasks on {loop}")
    for package in filter(None, (contender.package, "uvloop" * (loop == "uvloop"))):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; `make bench` brings its own")
    if kind == "pytask" and sys.version_info >= (3, 14) and importlib.util.find_spec("asynkit") is None:
        pytest.skip("on 3.14, a Python task needs asynkit's patch")
    names = [name for name in row_names(bench) if (name, loop) != ("deaf", "uvloop")]
    values = worker("cpu", kind, loop, [f"{name}:100" for name in names])
    assert list(values) == names
    done = {name for name, value in values.items() if value is not None}
    assert done == set(contender.workloads()) & set(names)
    assert "tellgroup" in done or kind == "asynkit"


def test_sigtask_and_asyncio_do_every_row(bench):
    contenders = bench("contenders").CONTENDERS
    for name in row_names(bench):
        assert name in contenders["sigtask"].workloads()
        assert name in contenders["stock"].workloads() or name == "deaf"


@pytest.mark.os
def test_an_idle_task_weighs_more_than_nothing():
    for kind in ("stock", "sigtask"):
        assert worker("bytes", kind, "asyncio", ["idle:100"])["idle"] > 100


@pytest.mark.os
@pytest.mark.parametrize("kind", ["stock", "sigtask"])
@pytest.mark.parametrize("server", ["aiohttp", "uvicorn"])
def test_the_servers_say_hello(bench, server, kind):
    pytest.importorskip(server)
    with bench("servers")._served(sys.executable, server, "asyncio", kind) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            assert answer.read() == b"Hello, world"


# -- what is made of the numbers -----------------------------------------------------------------------------------


def made_up(bench, *, worse=1.0):
    """Numbers for every goal: sigtask at `worse` times its limit, all others at 1."""
    rows = bench("rows")
    numbers = {}
    for goal in rows.goals():
        if goal.other is not None:
            numbers.setdefault(goal.other, {})[goal.than] = [1.0, 1.0, 1.0]
    for goal in rows.goals():
        ours = numbers.setdefault(goal.ours, {})
        limit = goal.limit / worse if goal.at_least else goal.limit * worse
        ours["sigtask"] = [limit * (numbers[goal.other][goal.than][0] if goal.other else 1.0)] * 3
    return numbers


def test_a_number_at_its_limit_is_ok_and_one_beyond_is_a_miss(bench):
    rows, table = bench("rows"), bench("table")
    key = rows.Key("step", "count", "asyncio")
    goal = next(goal for goal in rows.goals() if goal.ours == key)
    assert table.missed({key: {"stock": [100.0], "sigtask": [101.0]}}) == []
    assert table.missed({key: {"stock": [100.0], "sigtask": [101.2]}}) == [goal]
    numbers = {key: {"stock": [100.0], "sigtask": [101.2]}}
    verdicts = {line[0]: line[-1] for line in table.goal_grid({"3.11.7": numbers}).lines}
    assert verdicts.pop("a: a step: `sleep(0)`") == "1.012 MISS"
    assert set(verdicts.values()) == {"not measured"}


def test_a_rate_below_its_limit_is_a_miss(bench):
    rows, table = bench("rows"), bench("table")
    key = rows.Key("aiohttp", "rate", "asyncio")
    assert table.missed({key: {"stock": [100.0], "sigtask": [99.5]}}) == []
    assert len(table.missed({key: {"stock": [100.0], "sigtask": [98.0]}})) == 1


def test_a_ratio_is_of_pairs_and_shows_its_spread(bench):
    ratio = bench("counting").Ratio.of([2.0, 30.0, 8.0], [1.0, 10.0, 2.0])
    assert (ratio.middle, ratio.low, ratio.high) == (3.0, 2.0, 4.0)
    assert str(ratio) == "3.000 (2.00 to 4.00)"


def test_a_peer_that_is_ahead_is_named(bench):
    key = bench("rows").Key("mask", "count", "asyncio")
    numbers = {key: {"stock": [90.0], "sigtask": [10.0], "anyio": [9.0], "trio": [11.0]}}
    faster = bench("table").faster_peers({"3.11.7": numbers})
    assert faster == ["g, `mask`, or a shield: anyio at 0.900 on 3.11.7 of sigtask's"]


def test_page_and_json_hold_the_numbers(bench, tmp_path):
    output = bench("output")
    run = output.Run("3.11.7", {"anyio": "4.0"}, made_up(bench, worse=2.0), ["a note"], ["asyncio"], "2026-01-01")
    page = output.page([run])
    assert page.count("MISS") == len(bench("table").missed(run.numbers)) > 30
    assert "a note" in page
    kept = json.loads(output.as_json([run]))
    assert {(one["row"], one["metric"]) for one in kept["runs"][0]["numbers"]} >= {
        ("step", "count"),
        ("aiohttp", "rate"),
    }
    (tmp_path / "kept.json").write_text(output.as_json([run]), "utf-8")
    assert output.read(tmp_path / "kept.json") == [run]


def test_a_page_has_the_goals_of_each_python_side_by_side(bench):
    output, numbers = bench("output"), made_up(bench, worse=0.9)
    runs = [output.Run(python, {}, numbers, [], ["asyncio"], "2026-01-01") for python in ("3.11.7", "3.15.2")]
    page = output.page(runs)
    assert "| ratio | goal | 3.11.7 | 3.15.2 |" in page
    assert "All rows, on CPython 3.11.7" in page


def test_a_run_of_some_rows_keeps_what_is_known_of_the_others(bench):
    output, rows = bench("output"), bench("rows")
    step, queue = (rows.Key(name, "count", "asyncio") for name in ("step", "queue"))
    before = output.Run(
        "3.11.7", {}, {step: {"stock": [1.0]}, queue: {"stock": [2.0]}}, ["old"], ["asyncio"], "2026-01-01"
    )
    later = output.Run("3.11.8", {}, {queue: {"stock": [3.0]}}, ["new"], ["asyncio", "uvloop"], "2026-01-02")
    both = before.with_rows_of(later)
    assert both.numbers == {step: {"stock": [1.0]}, queue: {"stock": [3.0]}}
    assert (both.date, both.python, both.notes) == ("2026-01-02", "3.11.8", ["old", "new"])


def test_plots_and_json_hold_no_path(bench):
    output = bench("output")
    run = output.Run("3.11.7", {}, made_up(bench, worse=2.0), [], ["asyncio"], "2026-01-01")
    pictures = output.pictures(run.numbers)
    assert set(pictures) == {"bench-tasks", "bench-signals", "bench-blocks", "bench-stop"}
    for picture in pictures.values():
        assert ET.fromstring(picture).find("{http://www.w3.org/2000/svg}title") is not None
    assert not any(str(ROOT) in text for text in (output.page([run]), output.as_json([run]), *pictures.values()))


@pytest.mark.os
@pytest.mark.parametrize("what", ["crowd", "pause", "run"])
@pytest.mark.parametrize("kind", ["stock", "sigtask"])
def test_whole_programs_are_measured(what, kind):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(BENCH / "crowds.py"), what, kind, "100"]
    assert float(subprocess.run(command, env=env, capture_output=True, timeout=100, check=True).stdout) > 0


@pytest.mark.os
@pytest.mark.parametrize(("what", "kind"), [("explore", "stock"), ("explore", "sigtask"), ("sweep", "sigtask")])
def test_explorations_are_measured(what, kind):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(BENCH / "exploring.py"), what, kind, "20"]
    assert float(subprocess.run(command, env=env, capture_output=True, timeout=100, check=True).stdout) > 0


# -- the gate -------------------------------------------------------------------------------------------------------


def test_gate_fails_when_a_step_costs_more_than_it_may(bench, monkeypatch, capsys):
    core, python = bench("core"), bench("pythons").Python("3.11", "3.11.7", "python")
    taken = {"stock": 100.0, "sigtask": 150.0}
    monkeypatch.setattr(core, "valgrind", lambda: True)
    monkeypatch.setattr(core, "GATES", {"C": {"step": 1.0}, "Python": {"step": 1.0}})
    monkeypatch.setattr(
        core.Program, "measure", lambda self, mode, kind, loop, jobs: {job.split(":")[0]: taken[kind] for job in jobs}
    )
    assert core.gate(python) == 1
    assert "MISS" in capsys.readouterr().out
    taken["sigtask"] = 100.5
    assert core.gate(python) == 0


def test_gate_says_so_loudly_without_valgrind(bench, monkeypatch, capsys):
    core, python = bench("core"), bench("pythons").Python("3.11", "3.11.7", "python")
    monkeypatch.setattr(core, "valgrind", lambda: False)
    assert core.gate(python) == 0
    assert capsys.readouterr().out.startswith("NOT CHECKED: valgrind is not installed")
