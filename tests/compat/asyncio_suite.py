"""CPython's own asyncio tests, on stock tasks and on ours: no new failure.

    python tests/compat/asyncio_suite.py [MODULE...]

Run by `make compat` on each CPython found. Prints a line a module; exit status 1 on a new failure, or when our Task
was not used.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
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
)

_NO_FACTORY = "asserts that a new loop has no task factory; here every loop has ours"
_FRAME = "asserts which frame is last in the source traceback; Task(coro) called directly has one more, ours"
EXEMPT: dict[str, str] = {
    "test_base_events.BaseEventLoopTests.test_set_task_factory": _NO_FACTORY,
    "test_base_events.BaseEventLoopTests.test_set_task_factory_invalid": _NO_FACTORY,
    "test_tasks.CTask_CFuture_Tests.test_task_source_traceback": _FRAME,
    "test_tasks.CTask_PyFuture_Tests.test_task_source_traceback": _FRAME,
}
"""Tests that assert an implementation detail, each with the reason; at most five."""


def outcomes(mode: str, module: str) -> dict:
    """What one run of one module gave."""
    child = Path(__file__).with_name("suite_child.py")
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(child), mode, module], capture_output=True, text=True, timeout=600
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{module} on {mode} tasks: no result\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}") from None


def compare(module: str) -> list[str]:
    """The tests that fail on ours and not on stock tasks; prints the module's line."""
    stock, ours = outcomes("stock", module), outcomes("sigtask", module)
    new = [
        name
        for name, outcome in ours["outcomes"].items()
        if outcome == "failed" and stock["outcomes"].get(name) == "passed"
    ]
    missing = set(stock["outcomes"]) - set(ours["outcomes"])
    exempt = [name for name in new if name.split(".", 2)[-1] in EXEMPT]
    count = sum(outcome == "passed" for outcome in ours["outcomes"].values())
    print(
        f"{module:<26} {count:>4} passed, {len(new) - len(exempt)} new failures, {len(exempt)} exempt, "
        f"{ours['made']} tasks of ours",
        flush=True,
    )
    for name in new:
        if name not in exempt:
            print(f"--- {name}\n{ours['details'][name]}")
    if ours["made"] == 0:
        print(f"--- {module}: our Task was not used")
    return [name for name in new if name not in exempt] + sorted(missing) + ([] if ours["made"] else [module])


def main(modules: list[str]) -> int:
    """Compare every module; gives the exit status."""
    version = ".".join(map(str, sys.version_info[:3]))
    if importlib.util.find_spec("test.test_asyncio") is None:
        print(f"CPython {version}: comes without test.test_asyncio; not run")
        return 0
    print(f"CPython {version}: its own asyncio tests on sigtask's tasks")
    wrong: list[str] = []
    for module in modules or MODULES:
        if importlib.util.find_spec(f"test.test_asyncio.{module}") is not None:
            wrong += compare(module)
    print(f"CPython {version}: {'no new failure' if not wrong else f'{len(wrong)} new failures'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
