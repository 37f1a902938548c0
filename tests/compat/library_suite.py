"""Other libraries' own tests, on stock tasks and on ours: no new failure.

    python tests/compat/library_suite.py [NAME...]

Run by `make compat` on each CPython found. Fetches each library's sdist and what its tests need from PyPI into a
temporary directory, runs the tests twice side by side, and compares. What fails on ours alone is run again by itself
on both, and is a new failure if it fails again: in a full run, one test's leftovers or a busy machine can fail the
next. Prints a few lines a library; exit status 1 on a new failure, when our Task was not used, or when a library's
tests could not be run at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LIMIT = 1800
"""Seconds that one run of one library may take: five times what anyio's took on two busy cores."""
ONE = 180
"""Seconds that one test may take: what hangs for good hangs longer, and the machine is busy."""
AGAIN = 20
"""So many failures are run again by themselves at most; beyond that, all of them are new."""

HERE = Path(__file__).parent
AUTO = ("--asyncio-mode=auto",)


@dataclass(frozen=True)
class Library:
    """A library, and what it takes to run its tests."""

    name: str
    needs: tuple[str, ...]
    """What its tests import, besides pytest."""
    options: tuple[str, ...] = ()
    """What pytest is told."""
    left_out: str = ""
    """Which of its tests the options leave out, and why."""
    crowd: bool = False
    """Its tests start dozens of processes at once: they run one after the other, and only one Python's at a time."""


LIBRARIES = (
    Library(
        "anyio",
        ("blockbuster", "hypothesis", "psutil", "pytest-mock", "trustme", "truststore", "uvloop"),
        ("-k", "not trio", "--ignore=tests/test_pytest_plugin.py"),
        "tests on trio's loop, which has none of asyncio's tasks; test_pytest_plugin, which starts pytest in processes "
        "of its own, on stock tasks",
    ),
    # aiotools imports typing_extensions, and names it for older Pythons only.
    Library("aiotools", ("pytest-asyncio", "typing_extensions"), AUTO, crowd=True),
    Library("quattro", ("pytest-asyncio",), AUTO),
    Library("aiojobs", ("pytest-aiohttp",), AUTO),
    Library("async_timeout", ("pytest-asyncio",), AUTO),
)


class Broken(Exception):
    """A library's tests could not be run."""


@dataclass
class Outcomes:
    """What one run gave; the plugin wrote it down."""

    outcomes: dict[str, str]
    details: dict[str, str]
    made: int

    def count(self, *ends: str) -> int:
        return sum(end in ends for end in self.outcomes.values())


class Suite:
    """One library's tests, unpacked, with an environment that can run them."""

    def __init__(self, library: Library, where: Path) -> None:
        self.library, self.where = library, where
        venv.create(where / "env")
        self.python = next(where.glob("env/[bS]*/python*"))
        # As an sdist: wheels come without the tests.
        self._pip("download", "--no-deps", "--no-binary", library.name, "--dest", str(where), library.name)
        with tarfile.open(next(where.glob("*.tar.gz"))) as sdist:
            sdist.extractall(where, filter="data")
        self.root = next(path.parent for path in where.glob("*/PKG-INFO"))
        self.title = self.root.name
        version = self.title.rpartition("-")[2]
        self._pip("install", f"{library.name}=={version}", "pytest>=9", "pytest-timeout", *library.needs)

    def _pip(self, *args: str) -> None:
        # The pip of the Python that runs this: to put one into each environment takes as long as the rest.
        command = [sys.executable, "-m", "pip", "-q", "--python", self.python, "--disable-pip-version-check", *args]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Broken(f"pip {' '.join(args)} failed:\n{done.stderr[-3000:]}")

    def run(self, *what: str) -> tuple[Outcomes, Outcomes]:
        """What a run on stock tasks gave, and one on ours beside it."""
        if self.library.crowd:
            self._together(("stock",), what)
            self._together(("sigtask",), what)
        else:
            self._together(("stock", "sigtask"), what)
        return self._read("stock"), self._read("sigtask")

    def _together(self, modes: tuple[str, ...], what: tuple[str, ...]) -> None:
        runs = {mode: self._start(mode, *what) for mode in modes}
        until = time.monotonic() + LIMIT
        try:
            for mode, run in runs.items():
                try:
                    run.wait(max(0.0, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    raise Broken(f"on {mode} tasks: not done after {LIMIT} s\n{self.printed(mode)}") from None
        finally:
            for run in runs.values():
                with contextlib.suppress(ProcessLookupError):  # what its tests left behind goes, too
                    os.killpg(run.pid, signal.SIGKILL)
                run.wait()

    def _start(self, mode: str, *what: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
        env = {"SIGTASK_COMPAT": mode, "SIGTASK_OUTCOMES": str(self._file(mode, "json")), "PYTHONPATH": path}
        self._file(mode, "json").unlink(missing_ok=True)
        # Not the library's own options: they may ask for coverage, or for plugins that are not here.
        command = ["-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "-o", "addopts=", f"--timeout={ONE}"]
        with self._file(mode, "txt").open("w") as out:
            return subprocess.Popen(
                [self.python, *command, *self.library.options, *(what or ["tests"])],
                cwd=self.root,
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,  # some tests signal theirs
            )

    def _file(self, mode: str, kind: str) -> Path:
        return self.where / f"{mode}.{kind}"

    def printed(self, mode: str) -> str:
        return self._file(mode, "txt").read_text("utf-8", "replace")[-3000:]

    def _read(self, mode: str) -> Outcomes:
        try:
            return Outcomes(**json.loads(self._file(mode, "json").read_text("utf-8")))
        except (OSError, ValueError):
            raise Broken(f"on {mode} tasks: pytest gave no outcomes\n{self.printed(mode)}") from None


@contextlib.contextmanager
def my_turn() -> Iterator[None]:
    """Inside, no other run of this file on this machine is inside."""
    with Path(__file__).open() as me:
        fcntl.flock(me, fcntl.LOCK_EX)
        yield


def failing(stock: Outcomes, ours: Outcomes) -> list[str]:
    """The tests that pass on stock tasks, and on ours do not pass or do not run."""
    return [name for name, end in stock.outcomes.items() if end == "passed" and ours.outcomes.get(name) != "passed"]


def fails_again(suite: Suite, test: str) -> bool:
    """Whether that test by itself fails on ours again, and not on stock tasks."""
    stock, ours = suite.run(test)
    return test not in stock.outcomes or bool(failing(stock, ours))


@dataclass
class Result:
    """What became of one library."""

    run: int = 0
    made: int = 0
    new: int = 0
    broken: bool = False


def compare(library: Library, where: Path) -> Result:
    """Run the library's tests, and print what became of them."""
    suite = Suite(library, where)
    with my_turn() if library.crowd else contextlib.nullcontext():
        stock, ours = suite.run()
    once = failing(stock, ours)
    new = once if len(once) > AGAIN else [test for test in once if fails_again(suite, test)]
    result = Result(ours.count("passed", "failed"), ours.made, len(new))
    print(
        f"{suite.title:<20} {result.run:>4} tests run, {ours.made:>6} tasks of ours, {len(new)} new failures",
        flush=True,
    )
    if failed := stock.count("failed"):
        print(f"    {failed} fail on stock tasks here; those are not compared")
    if library.left_out:
        print(f"    left out: {library.left_out}")
    for test in set(once) - set(new):
        print(f"    failed on ours in the full run, and by itself not, or on stock tasks as well: {test}")
    for test in new:
        print(f"--- {test}\n{ours.details.get(test, 'not run')}")
    if not stock.count("passed"):
        raise Broken(f"no test of {suite.title} passes here on stock tasks\n{suite.printed('stock')}")
    if not ours.made:
        raise Broken(f"{suite.title}: our Task was not used")
    return result


def tried(library: Library) -> Result:
    """The same, in a directory of its own, and with what hindered it printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as where:
        try:
            return compare(library, Path(where))
        except Broken as error:
            print(f"--- {library.name}: nothing to compare: {error}", flush=True)
            return Result(broken=True)
        except (OSError, subprocess.TimeoutExpired, StopIteration) as error:
            print(f"--- {library.name}: nothing to compare: {error!r}", flush=True)
            return Result(broken=True)


def main(names: list[str]) -> int:
    """Compare every library; gives the exit status."""
    version = sys.version.split()[0]
    print(f"CPython {version}: other libraries' tests on sigtask's tasks", flush=True)
    # A shell starts what is to run in the background with SIGINT ignored, and some of these tests wait for one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Each Python begins with another one, so that those of one kind are not all at work at once.
    first = sys.version_info.minor % len(LIBRARIES)
    turns = LIBRARIES[first:] + LIBRARIES[:first]
    results = [tried(library) for library in turns if not names or library.name in names]
    run, made, new = (sum(getattr(result, what) for result in results) for what in ("run", "made", "new"))
    broken = sum(result.broken for result in results)
    print(
        f"CPython {version}: {run} tests of {len(results) - broken} libraries run, {made} tasks of ours, "
        f"{new} new failures, none exempt{f'; {broken} NOT COMPARED' if broken else ''}"
    )
    return 1 if new or broken or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
