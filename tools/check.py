"""What `make` calls: build the environments, run the tests on every Python, check style, types and layers."""

from __future__ import annotations

import os
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor

import programs
import pythons
from progress import Progress, Work
from pythons import Python
from steps import Step, run_all
from venvs import ROOT, Venv, ensure, plain


def environments(*, every: bool) -> list[Venv]:
    """The environments to test in, the default one first; only that one unless `every`."""
    started = time.monotonic()
    found = pythons.find()
    if not found:
        sys.exit(f"No {pythons.SUPPORTED} that can make a venv was found (on Debian: install python3-venv).")
    first = pythons.default(found)
    rest = [python for python in found if python is not first] if every else []
    wanted = [first, *rest]
    progress = Progress([Work(f"environment of Python {python.full}", 60.0) for python in wanted], 2)

    def make(index: int) -> Venv:
        progress.begin(index)
        venv = ensure(wanted[index], *(("cli", "dev") if index == 0 else ()))
        lacks = f", without {', '.join(venv.missing)} (tests that need it skip)" if venv.missing else ""
        progress.end(index, f"Python {venv.python.full}{' (default)' * (index == 0)} is ready{lacks}")
        return venv

    with progress.shown(), ThreadPoolExecutor(2) as pool:
        venvs = list(pool.map(make, range(len(wanted))))
    print(f"Environments ready in {time.monotonic() - started:.0f} s.\n", flush=True)
    return venvs


RULES = ("core", "stop")
LIBRARIES = ("compat",)
MODEL = ("props",)
KIT = ("testing", *MODEL)
"""Tests in one process, nearly all of them on a clock that jumps."""
OUTSIDE = {"programs": 300.0, "edges": 110.0, "control": 130.0}
"""Tests with real processes, servers and OS signals, and what they take. They wait more than they work."""
PROCESSES = (
    *(f"tests/programs/test_{what}.py" for what in ("run", "children", "workers")),
    "tests/control/test_attach.py",
)
"""What of them, beside the edges, hangs on how a Python starts processes, waits for them and handles OS signals."""
DOCS = "tests/house/test_docs.py"
NO_PROCESSES = ("-m", "not os", "tests/programs", "tests/control")
THREADS = ("tests/edges", "--ignore=tests/edges/test_dask.py")
"""What of `OUTSIDE` needs no process: the runner, and threads, where a signal hits between any two bytecodes."""


def test_steps(venvs: list[Venv]) -> list[Step]:
    """The tests, each on those Pythons where it proves what it does not prove on another; the longest first.

    - "programs", "edges", "control": real processes and OS signals, on the oldest Python.
    - "edges" and "processes": those of them in which Python's own ways to start processes and to wait for them count,
      on the newest, with debugging: the ways have changed between the two, and each Python in between has one of them.
      What is left out there is what a command prints and what other people's servers do.
    - "threads, runner": all that needs no process, on the other Pythons: a signal hits a thread between any two
      bytecodes, and each Python has its own.
    - "rules": on every Python, on the C twin where there is a compiler; on the newest with asyncio's debugging, and
      every warning an error, as the newest deprecates most.
    - "libraries": what other libraries make of our tasks, on the oldest and the newest. They are written for all alike.
    - "model, kit": the model of the rules and the test kit, on the oldest and the newest: what they are made of is what
      "rules" has proved on each.
    - "no C": the rules on the Python twin, on the oldest and the newest. It is Python that the C twin runs, too, for
      all but the straight paths; on the default one with the model.
    - "services", "harm": other people's servers, and a part of `make harm`, on the default one; what differs there
      between Pythons is theirs, and the whole of `make harm` has three Pythons.
    - "docs' programs": on the oldest Python and on the newest.
    - "house", "pictures", "wheel": the project's own rules, what Chromium makes of a report's page, and what is packed.

    `EVERYWHERE=1` has all of it run on every Python. A Python that is alone is oldest and newest.
    """

    def pytest(what: str, venv: Venv, *args: str, seconds: float, debug: bool = False, pure: bool = False) -> Step:
        flags = ("-X", "dev", "-W", "error") if debug else ()
        command = [venv.exe, *flags, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
        env = {
            "COLUMNS": "120",
            **({"PYTHONASYNCIODEBUG": "1"} if debug else {}),
            **({"SIGTASK_PURE": "1"} if pure else {}),
        }
        return Step(f"{what} on {venv.python.full}{', debug' * debug}", command, env, expected=seconds)

    default, in_order = venvs[0], sorted(venvs, key=lambda venv: pythons.VERSIONS.index(venv.python.version))
    everywhere = os.environ.get("EVERYWHERE", "0") not in ("", "0")
    newest, ends = in_order[-1], in_order if everywhere else list(dict.fromkeys((in_order[0], in_order[-1])))
    oldest = in_order if everywhere else in_order[:1]
    steps = [pytest(part, venv, f"tests/{part}", seconds=most) for venv in oldest for part, most in OUTSIDE.items()]
    if newest not in oldest:
        steps += [pytest("processes", newest, *PROCESSES, seconds=150, debug=True)]
        steps += [pytest("edges", newest, "tests/edges", seconds=110, debug=True)]
    steps += [pytest(part, default, f"tests/{part}", seconds=100) for part in ("services", "harm")]
    steps += [pytest("no C", v, *folders(*RULES, *MODEL * (v is default)), seconds=60, pure=True) for v in ends]
    steps += [pytest("model, kit", venv, *folders(*KIT), seconds=80) for venv in ends]
    steps += [pytest("rules", venv, *folders(*RULES), seconds=45, debug=venv is newest) for venv in in_order]
    steps += [pytest("libraries", venv, *folders(*LIBRARIES), seconds=45, debug=venv is newest) for venv in ends]
    others = [venv for venv in in_order if venv not in oldest]
    steps += [pytest("threads, runner", venv, *NO_PROCESSES, *THREADS, seconds=25) for venv in others[:-1]]
    steps += [pytest("runner", venv, *NO_PROCESSES, seconds=15, debug=True) for venv in others[-1:]]
    steps += [pytest(part, default, f"tests/{part}", seconds=15) for part in ("house", "pictures")]
    steps += [pytest("docs' programs", venv, DOCS, seconds=15) for venv in ends if venv is not default]
    return [*steps, Step("wheel", [default.exe, "tools/wheel.py"], lines=4)]


def folders(*parts: str) -> tuple[str, ...]:
    """Where those tests are."""
    return tuple(f"tests/{part}" for part in parts)


def cost_steps(venv: Venv) -> list[Step]:
    """What a step and a spawn cost, in instructions, against what they cost before."""
    return [Step("cost of a task", [venv.exe, "bench/core.py", "--gate"], lines=10)]


def compat_steps(venvs: list[Venv]) -> list[Step]:
    """Other people's tests on our tasks, against a stock run beside them: other libraries', and CPython's asyncio's."""
    here = "tests/compat/"
    return [
        # The drivers have limits of their own for each part, and say more when those are passed.
        *(
            Step(f"libraries' tests on {v.python.full}", [v.exe, here + "library_suite.py"], lines=99, timeout=2400)
            for v in venvs
        ),
        *(
            Step(f"asyncio's tests on {v.python.full}", [v.exe, here + "asyncio_suite.py"], lines=99, timeout=1800)
            for v in venvs
        ),
    ]


def stress_steps(venvs: list[Venv]) -> list[Step]:
    """Signals that race with the end of the function they are sent to: 100,000 on each Python."""
    command = "tests/edges/stress_threads.py"
    return [Step(f"races on {venv.python.full}", [venv.exe, command], lines=8, timeout=3600) for venv in venvs]


OLDEST_DASK = ("distributed==2025.4.*", "pytest>=9", "cryptography>=42")
"""What pyproject.toml has as the oldest `distributed`, and what its tests need besides."""


DASK_OPTIONS = ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=600")


def oldest_dask(venv: Venv) -> str:
    """The Python that has the oldest Dask."""
    oldest, lacks = plain("dask-oldest", venv.python, OLDEST_DASK)
    if lacks:
        sys.exit(f"could not install {', '.join(lacks)}")
    return oldest


def dask_in_one_process(oldest: str) -> Step:
    """The tests on a cluster in one process, which on the newest Dask are among the edges'."""
    return Step("in one process, oldest Dask", [oldest, *DASK_OPTIONS, "tests/edges/test_dask.py"], lines=5)


def cluster_steps(venv: Venv) -> list[Step]:
    """Jobs on clusters of real processes, on the newest Dask and on the oldest, there with what needs none besides.

    The worker that is killed at random moments has fewer of them on the oldest. `SEED` and `MOMENTS` are passed on.
    """
    oldest = oldest_dask(venv)
    suite = "tests/cluster/cluster_suite.py"
    fewer = {"MOMENTS": os.environ.get("MOMENTS", "10")}
    return [
        Step("cluster, newest Dask", [venv.exe, *DASK_OPTIONS, suite], lines=5, timeout=1200),
        dask_in_one_process(oldest),
        Step("cluster, oldest Dask", [oldest, *DASK_OPTIONS, suite], fewer, lines=5, timeout=1200),
    ]


def docs_python(python: Python) -> str:
    """The Python with what builds the site."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["docs"]
    exe, lacks = plain("docs", python, tuple(extra))
    if lacks:
        sys.exit(f"could not install {', '.join(lacks)}")
    return exe


def docs_steps(python: Python, what: str = "docs") -> list[Step]:
    """The site, with every warning an error: a link that leads nowhere, a name without an entry. No network needed.

    `docs-links` asks the sites of others whether the links to them lead somewhere; `pictures` draws the terminals anew.
    """
    exe = docs_python(python)
    if what == "pictures":
        return [Step("pictures", [exe, "tools/terminal.py"], lines=20)]
    builder, out = ("linkcheck", "build/links") if what == "docs-links" else ("html", "build/docs")
    command = [exe, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-j", "2", "-b", builder, "docs", out]
    return [Step("the site", command, lines=20, timeout=600)]


def lint_steps(venv: Venv) -> list[Step]:
    """Style: ruff's rules, and its format."""
    ruff = str(venv.bin / "ruff")
    return [Step("ruff check", [ruff, "check", "."]), Step("ruff format", [ruff, "format", "--check", "."])]


def types_steps(venv: Venv) -> list[Step]:
    """Types: mypy and pyright, both strict; of the package, and of programs that use it, as their authors would."""
    # pyright asks the registry for a newer self unless told not to.
    quiet = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    pyright = [venv.exe, "-m", "pyright", "--pythonpath", venv.exe]
    config, files = programs.write()
    return [
        Step("mypy --strict", [venv.exe, "-m", "mypy"]),
        Step("mypy, examples in docstrings", [venv.exe, "tools/docexamples.py"]),
        Step("mypy --strict, programs", [venv.exe, "-m", "mypy", "--strict", "--config-file=", *map(str, files)]),
        Step("pyright", pyright, quiet),
        Step("pyright, programs", [*pyright, "-p", str(config)], quiet),
    ]


def layers_steps(venv: Venv) -> list[Step]:
    """Imports point down."""
    return [Step("layers", [str(venv.bin / "lint-imports"), "--no-cache"])]


def main(what: str) -> int:
    """Do what the Makefile has of that name, or make the `venv(s)`; 0 if it passed."""
    if what in ("docs", "docs-links", "pictures"):  # they need no environment to test in
        return 0 if run_all(docs_steps(pythons.default(pythons.find()), what), ROOT, at_a_time=1) else 1
    venvs = environments(every=what in ("test", "compat", "stress", "venvs"))
    default = venvs[0]
    if what == "test":
        steps = [*test_steps(venvs), dask_in_one_process(oldest_dask(default)), *cost_steps(default)]
        steps += [*types_steps(default), *lint_steps(default), *layers_steps(default), *docs_steps(default.python)]
    elif what == "compat":
        steps = compat_steps(venvs)
    elif what == "stress":
        steps = stress_steps(venvs)
    elif what == "cluster":
        return 0 if run_all(cluster_steps(default), ROOT, at_a_time=1) else 1  # they stop clocks and kill processes
    elif what == "format":
        ruff = str(default.bin / "ruff")
        steps = [Step("ruff check --fix", [ruff, "check", "--fix", "."]), Step("ruff format", [ruff, "format", "."])]
        return 0 if run_all(steps, ROOT, at_a_time=1) else 1
    elif what in ("venv", "venvs"):  # with the C twin beside the source, where there is a compiler
        return 0
    else:
        steps = {"lint": lint_steps, "types": types_steps, "layers": layers_steps}[what](default)
    return 0 if run_all(steps, ROOT, at_a_time=int(os.environ.get("AT_A_TIME", "3"))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
