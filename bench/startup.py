"""What `sigtask run` adds to the start of a program: `make bench-startup`, a minute.

Four commands in turn, each round from another one on: a script that does nothing and one that uses asyncio, both under
plain Python and under `sigtask run`. A ratio is of two numbers of one round. Processor time is what a busy machine
disturbs least; instructions, where valgrind is there, it does not disturb at all. Then: what is imported on the way.

    make bench-startup BENCH="--python PATH --rounds 40"
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from counting import NO_VALGRIND, ROOT, Failed, Ratio, valgrind

NOTHING = "pass\n"
ASYNCIO = "import asyncio\n\nasync def main():\n    pass\n\nasyncio.run(main())\n"
RUN = ("-m", "sigtask", "run")
ROWS = (("a script that uses asyncio", "uses.py", ASYNCIO), ("a script that does nothing", "nothing.py", NOTHING))
GOAL = 60
"""Milliseconds that `sigtask run` may add to a script that uses asyncio."""
SHOWN = 12


@dataclass
class Taken:
    """What one command took, a number a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Milliseconds, of all processors, in the process and in the kernel for it."""


class Bench:
    """One Python, and the scripts in a folder of their own, with compiled files there, too."""

    def __init__(self, exe: str, folder: Path) -> None:
        self.exe = exe
        self._folder = folder
        for _, name, source in ROWS:
            (folder / name).write_text(source, "utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        cache = str(folder / "cache")
        self._env = {**kept, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": cache}

    def says(self, *words: str, before: tuple[str, ...] = ()) -> str:
        """What it writes to stderr. Raises: `Failed` when it did."""
        command = [*before, self.exe, *words]
        done = subprocess.run(command, cwd=self._folder, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stderr

    def time(self, rounds: int) -> dict[tuple[str, ...], Taken]:
        """Each of the commands, in so many rounds; a first one, which compiles, does not count."""
        commands = [words for _, name, _ in ROWS for words in ((name,), (*RUN, name))]
        taken: dict[tuple[str, ...], Taken] = {words: Taken() for words in commands}
        for words in commands:
            self.says(*words)
        for i in range(rounds):
            for words in commands[i % len(commands) :] + commands[: i % len(commands)]:
                cpu, began = _cpu(), time.perf_counter()
                self.says(*words)
                taken[words].wall.append(1e3 * (time.perf_counter() - began))
                taken[words].cpu.append(1e3 * (_cpu() - cpu))
        return taken

    def count(self, *words: str) -> int:
        """Instructions."""
        said = self.says(*words, before=("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"))
        found = re.search(r"Collected : (\d+)", said)
        if found is None:
            raise Failed(f"callgrind did not say what it counted:\n{said}")
        return int(found[1])

    def imported(self, *words: str) -> dict[str, int]:
        """Which modules, and the microseconds that each took itself."""
        said = self.says("-X", "importtime", *words)
        found = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", said, re.MULTILINE)
        return {name: int(taken) for taken, name in found}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show_times(taken: dict[tuple[str, ...], Taken]) -> None:
    for what, name, _ in ROWS:
        plain, ours = taken[name,], taken[*RUN, name]
        for clock in ("wall", "cpu"):
            a, b = getattr(plain, clock), getattr(ours, clock)
            more = statistics.median(ours - plain for ours, plain in zip(b, a, strict=True))
            print(
                f"{what}, ms of {clock}: python {statistics.median(a):.1f}, sigtask run {statistics.median(b):.1f}, "
                f"ratio {Ratio.of(b, a)}, {more:.1f} more (least of each: {min(b) - min(a):.1f} more)"
            )


def _show_counts(bench: Bench) -> None:
    for what, name, _ in ROWS:
        plain, ours = bench.count(name), bench.count(*RUN, name)
        print(f"{what}, millions of instructions: {plain / 1e6:.0f}, {ours / 1e6:.0f}, ratio {ours / plain:.2f}")


def _show_imports(bench: Bench) -> None:
    plain, ours = bench.imported("uses.py"), bench.imported(*RUN, "uses.py")
    more = {name: taken for name, taken in ours.items() if name not in plain}
    own = {name: taken for name, taken in more.items() if name.split(".")[0] == "sigtask"}
    others = sorted(more.keys() - own.keys(), key=lambda name: -more[name])
    print(f"imported by a script that uses asyncio: {len(plain)} modules; by sigtask run, {len(more)} more:")
    print(f"  {len(own)} of its own, {sum(own.values()) / 1e3:.1f} ms")
    print(f"  {len(others)} others, {sum(more[name] for name in others) / 1e3:.1f} ms; those that take longest:")
    for name in others[:SHOWN]:
        print(f"    {more[name] / 1e3:5.1f} ms  {name}")


def main() -> int:
    """Measure, and say whether the goal is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", metavar="PATH", default=sys.executable)
    parser.add_argument("--rounds", type=int, metavar="N", default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.python, Path(folder))
        taken = bench.time(options.rounds)
        _show_times(taken)
        if valgrind():
            _show_counts(bench)
        else:
            print(NO_VALGRIND)
        _show_imports(bench)
    least = min(taken[*RUN, "uses.py"].cpu) - min(taken["uses.py",].cpu)
    print(f"goal: at most {GOAL} ms more than plain Python takes for a script that uses asyncio: ", end="")
    print(f"{'ok' if least <= GOAL else 'MISS'}, {least:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
