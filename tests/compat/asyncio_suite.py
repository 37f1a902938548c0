"""CPython's own asyncio tests, on stock tasks and on ours: no new failure.

    python tests/compat/asyncio_suite.py [MODULE...]

Run by `make compat` on each CPython found. Runs each module twice side by side, and compares. Prints a line a module;
exit status 1 on a new failure, or when our Task was not used.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODULES = (
    "test_tasks",
    "test_taskgroups",
    "test_timeouts",
    "test_waitfor",
    "test_runners",
    "test_locks",
    "test_queues",
    "test_streams",
    "test_eager_task_factory",
    "test_base_events",
    "test_subprocess",
    "test_server",
    "test_threads",
    "test_pep492",
    "test_staggered",
    "test_free_threading",
    "test_graph",
)
LIMIT = 600
"""Seconds that one module may take."""

_NO_FACTORY = "asserts that a new loop has no task factory; here every loop has ours"
_FRAME = "asserts which frame is last in the source traceback; Task(coro) called directly has one more, ours"
_LEAVING = "asserts the frames of the call graph; a TaskGroup that is being left has one more, ours (docs/limits.md)"
EXEMPT: dict[str, str] = {
    "test_base_events.BaseEventLoopTests.test_set_task_factory": _NO_FACTORY,
    "test_base_events.BaseEventLoopTests.test_set_task_factory_invalid": _NO_FACTORY,
    "test_tasks.CTask_CFuture_Tests.test_task_source_traceback": _FRAME,
    "test_tasks.CTask_PyFuture_Tests.test_task_source_traceback": _FRAME,
    "test_graph.TestCallStackC.test_stack_tgroup": _LEAVING,
}
"""Tests that assert an implementation detail, each with the reason; at most five."""

LEFT_OUT: dict[str, str] = {
    "test_graph.TestCallStackPy.": "tests of the task class that is written in Python; ours is one of C's",
}
"""What classes, by the beginning of their tests' names, have nothing to say of our tasks, and why."""


def outcomes(mode: str, module: str) -> dict:
    """What one run of one module gave."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            [sys.executable, "-X", "dev", str(here / "suite_child.py"), mode, module],
            env=os.environ | {"PYTHONPATH": str(here.parents[1] / "src")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{module} on {mode} tasks: not done after {LIMIT} s") from None
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{module} on {mode} tasks: no result\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}") from None


def compare(module: str) -> Counter:
    """Run one module and print its line; gives how many tests were `run`, tasks `made`, failures `new`, and exempt."""
    with ThreadPoolExecutor(2) as pool:
        stock, ours = pool.map(outcomes, ("stock", "sigtask"), (module, module))
    left_out = {name: sum(_short(test).startswith(name) for test in ours["outcomes"]) for name in LEFT_OUT}
    for mode in (stock, ours):
        mode["outcomes"] = {n: end for n, end in mode["outcomes"].items() if not _short(n).startswith(tuple(LEFT_OUT))}
    # What a crash or a skip keeps from running is as bad as what fails.
    failed = [
        name
        for name, end in stock["outcomes"].items()
        if end == "passed" and ours["outcomes"].get(name, "not run") != "passed"
    ]
    exempt = [name for name in failed if _short(name) in EXEMPT]
    new = [name for name in failed if name not in exempt]
    run = sum(end != "skipped" for end in ours["outcomes"].values())
    print(
        f"{module:<24} {run:>4} tests run, {ours['made']:>6} tasks of ours, {len(new)} new failures, "
        f"{len(exempt)} exempt",
        flush=True,
    )
    if both := sum(end == "failed" for end in stock["outcomes"].values()):
        print(f"    {both} fail on stock tasks here; those are not compared")
    for name, count in left_out.items():
        if count:
            print(f"    left out: {count} of {name}*: {LEFT_OUT[name]}")
    for name in new:
        print(f"--- {name}\n{ours['details'].get(name, 'passes on stock tasks, does not run on ours')}")
    if not ours["made"]:
        print(f"--- {module}: our Task was not used")
    return Counter({"run": run, "made": ours["made"], "new": len(new), "unused": not ours["made"], **_by_name(exempt)})


def _short(name: str) -> str:
    return name.removeprefix("test.test_asyncio.")


def _by_name(exempt: list[str]) -> dict[str, int]:
    return {_short(name): 1 for name in exempt}


def is_here(module: str) -> bool:
    """Whether this Python has that module: some are packaged without their tests."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def main(modules: list[str]) -> int:
    """Compare every module; gives the exit status."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not is_here("test.test_asyncio"):
        print(f"CPython {version}: comes without test.test_asyncio; NOT RUN")
        return 0
    print(f"CPython {version}: its own asyncio tests on sigtask's tasks", flush=True)
    # A shell starts what is to run in the background with SIGINT ignored, and some of these tests wait for one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    total: Counter = Counter()
    for module in modules or MODULES:
        if not is_here(f"test.test_asyncio.{module}"):
            print(f"{module:<24} is not in this version")
        else:
            total += compare(module)
    exempt = [name for name in EXEMPT if total[name]]
    for name in exempt:
        print(f"    exempt: {name}: {EXEMPT[name]}")
    print(
        f"CPython {version}: {total['run']} tests run, {total['made']} tasks of ours, {total['new']} new failures, "
        f"{len(exempt)} exempt"
    )
    return 1 if total["new"] or total["unused"] or not total["run"] else 0


if __name__ == "__main__":
    assert len(EXEMPT) <= 5
    sys.exit(main(sys.argv[1:]))
