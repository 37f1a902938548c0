"""Other libraries' own tests, on stock tasks and on ours: no new failure.

    python tests/compat/library_suite.py [NAME...]

Fetches each library's sdist and what its tests need from PyPI into a temporary directory, runs the tests twice side by
side, and compares. What fails on ours alone is run again by itself on both: in a full run, one test's leftovers can
fail the next. Prints a line a library; exit status 1 on a new failure, or when our Task was not used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

LIMIT = 900
"""Seconds that one run of one library may take; what has not run by then is not compared."""

AUTO = ("--asyncio-mode=auto",)
LIBRARIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # The tests on trio's loop have none of asyncio's tasks; test_pytest_plugin runs pytest inside of pytest.
    "anyio": (
        ("blockbuster", "hypothesis", "psutil", "pytest-mock", "trustme", "truststore", "uvloop"),
        ("-k", "not trio", "--ignore=tests/test_pytest_plugin.py"),
    ),
    "async_timeout": (("pytest-asyncio",), AUTO),
    "aiotools": (("pytest-asyncio",), AUTO),
    "quattro": (("pytest-asyncio",), AUTO),
    "aiojobs": (("pytest-aiohttp",), AUTO),
}
"""What each one's tests need besides pytest, and what pytest is told."""

HERE = Path(__file__).parent


class Suite:
    """One library's tests, unpacked, with an environment that can run them."""

    def __init__(self, name: str, where: Path) -> None:
        needs, self.options = LIBRARIES[name]
        venv.create(where / "env", with_pip=True)
        self.python = next(where.glob("env/[bS]*/python*"))
        self._pip("download", "--no-deps", "--no-binary", name, "--dest", str(where), name)
        with tarfile.open(next(where.glob("*.tar.gz"))) as sdist:
            sdist.extractall(where, filter="data")
        self.root = next(path.parent for path in where.glob("*/PKG-INFO"))
        self.title = self.root.name
        self._pip("install", self.title[::-1].replace("-", "==", 1)[::-1], "pytest>=9", "pytest-timeout", *needs)

    def _pip(self, *args: str) -> None:
        done = subprocess.run([self.python, "-m", "pip", "-q", *args], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SystemExit(f"pip {args[0]} failed:\n{done.stderr}")

    def start(self, mode: str, *what: str) -> subprocess.Popen:
        """Run tests on "stock" or "sigtask" tasks."""
        path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
        seen = {"SIGTASK_COMPAT": mode, "SIGTASK_OUTCOMES": str(self.root.parent / f"{mode}.json"), "PYTHONPATH": path}
        command = ["-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "-o", "addopts=", "--timeout=60"]
        with (self.root.parent / f"{mode}.txt").open("w") as out:
            return subprocess.Popen(
                [self.python, *command, *self.options, *(what or ["tests"])], cwd=self.root, env=os.environ | seen,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0,
            )  # fmt: skip

    def outcomes(self, *what: str) -> tuple[dict, dict]:
        """What a run on stock tasks gave, and one on ours beside it."""
        runs = {mode: self.start(mode, *what) for mode in ("stock", "sigtask")}
        for run in runs.values():
            try:
                run.wait(LIMIT)
            except subprocess.TimeoutExpired:
                run.terminate()
                run.wait(10)
        stock, ours = (json.loads((self.root.parent / f"{mode}.json").read_text()) for mode in runs)
        return stock, ours


def failing(stock: dict, ours: dict) -> list[str]:
    """The tests that pass on stock tasks and do not on ours."""
    return [name for name, end in stock["outcomes"].items() if end == "passed" and ours["outcomes"].get(name) != end]


def compare(name: str, where: Path) -> int:
    """The number of new failures; prints the library's line."""
    suite = Suite(name, where)
    stock, ours = suite.outcomes()
    passed = sum(end == "passed" for end in stock["outcomes"].values())
    new = [test for test in failing(stock, ours) if failing(*suite.outcomes(test))]
    print(
        f"{suite.title:<22} {passed:>4} passed on stock tasks, {len(new)} of them fail on ours, "
        f"{ours['made']} tasks of ours",
        flush=True,
    )
    if not passed:
        print((where / "stock.txt").read_text()[-3000:])
    for test in new:
        print(f"--- {test}\n{ours['details'].get(test, 'not run')}")
    return len(new) + (not passed) + (not ours["made"])


def main(names: list[str]) -> int:
    """Compare every library; gives the exit status."""
    print(f"CPython {sys.version.split()[0]}: other libraries' tests on sigtask's tasks")
    wrong = 0
    for name in names or LIBRARIES:
        with tempfile.TemporaryDirectory() as where:
            wrong += compare(name, Path(where))
    print("no new failure" if not wrong else f"{wrong} new failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
