"""Programs under plain Python and under sigtask: the same or better, never worse. `make harm` runs all of it.

python tests/harm/harm.py [--only SHAPE ...] [--python 3.13 ...] [--ways run ...] [--stimuli "TERM" ...]

Prints a matrix, and what is worse in full. Exit status 1 where anything is.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from allowed import Verdict, judge, judge_both
from comparing import LADDER, Case
from matrix import Result, complaints, page, updated, verdicts
from observing import Seen, Start, observe
from reading import WAYS, Shape, all_shapes
from stimuli import Stimulus

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.13", "3.15")
AT_A_TIME = 4
CTRL_C = Stimulus.parse("INT")
OWN = f"""
from sigtask import Ladder, run as _run
def run(main, **options):
    return _run(main, ladder=Ladder.parse({LADDER!r}), **options)
"""
"""`sigtask.run()` with the ladder of all: what stands in the place of `asyncio.run()` in the way `own`."""


UVLOOP = """
import asyncio, warnings, uvloop
warnings.simplefilter("ignore")
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
warnings.resetwarnings()
"""
"""Plain Python with uvloop: what `--loop uvloop` is compared with, for uvloop is not like asyncio in all."""
IMPORT = "\nimport asyncio\n"
CHANGES: dict[str, Callable[[str], str]] = {
    "as_is": lambda source: source,
    "own": lambda source: source.replace("asyncio.run(", "_own.run(").replace(IMPORT, "\nimport asyncio, _own\n", 1),
    "uvloop": lambda source: source.replace(IMPORT, "\nimport asyncio, _uvloop\n", 1),
}
"""How the programs are changed, by the folder they are in."""


@dataclass
class Bench:
    """One Python, and the folders with the programs as they are and with `sigtask.run()` in them."""

    python: str
    exe: str
    folder: Path
    known: dict[tuple[str, str, str], Future[Seen]] = field(default_factory=dict)
    asking: threading.Lock = field(default_factory=threading.Lock)

    def set_up(self, shapes: list[Shape]) -> None:
        """Write the programs down: as they are, with `sigtask.run()`, and with uvloop's policy set in them."""
        subprocess.run([self.exe, "-m", "compileall", "-q", str(ROOT / "src")], check=True)  # as an installed one is
        for folder in "as_is", "own", "uvloop":
            (self.folder / folder).mkdir()
            for shape in shapes:
                (self.folder / folder / f"{shape.name}.py").write_text(CHANGES[folder](shape.source), "utf-8")
        (self.folder / "own" / "_own.py").write_text(OWN, "utf-8")
        (self.folder / "uvloop" / "_uvloop.py").write_text(UVLOOP, "utf-8")

    def has(self, shape: Shape) -> bool:
        """Whether this Python is new enough, and has what the shape needs."""
        version = tuple(map(int, shape.one("since", "3.11").split(".")))
        code = (
            f"import sys, importlib.util as u; "
            f"sys.exit(sys.version_info < {version} or not all(u.find_spec(n) for n in {shape.words('needs')}))"
        )
        return subprocess.run([self.exe, "-c", code], check=False).returncode == 0

    def start(self, shape: Shape, way: str, stimulus: Stimulus) -> Start:
        """How that program is started in that way."""
        file = f"{shape.name}.py"
        words = shape.one("command", "{file}").replace("{file}", file).replace("{name}", shape.name).split()
        options = [*shape.one("options").split(), *(["-q"] if "stderr" in shape.head else [])]
        sigtask = [self.exe, "-m", "sigtask", "run", "--ladder", LADDER, *options]
        command = {
            "run": [*sigtask, *words],
            "uvloop": [*sigtask, "--loop", "uvloop", *words],
            "function": [*sigtask, f"{shape.name}:{shape.one('function')}"],
        }.get(way, [self.exe, *words])
        seconds = shape.one("seconds") or ("60" if stimulus.steps else "0.3")
        env = {"PYTHONPATH": str(ROOT / "src"), "SECONDS": seconds}
        folder = self.folder / {"own": "own", "plain on uvloop": "uvloop"}.get(way, "as_is")
        return Start(command, folder, env, tuple(shape.words("ignores")), shape.one("serves"))

    def plain(self, shape: Shape, stimulus: Stimulus, way: str = "") -> Seen:
        """What it does under plain Python, with that way's loop: run once, however many ask."""
        how = "plain on uvloop" if way == "uvloop" else "plain"
        with self.asking:
            known = self.known.setdefault((shape.name, how, stimulus.name), Future())
            first = not known.running() and not known.done()
            if first:
                known.set_running_or_notify_cancel()
        if first:
            known.set_result(self.observe(shape, how, stimulus))
        return known.result()

    def observe(self, shape: Shape, way: str, stimulus: Stimulus) -> Seen:
        """What the shape does in that way."""
        return observe(self.start(shape, way, stimulus), stimulus)


def compare(bench: Bench, shape: Shape, stimulus: Stimulus, ways: list[str]) -> list[Result]:
    """One shape with one stimulus: plain, then in each way."""
    results = []
    for way in ways:
        plain = bench.plain(shape, stimulus, way)
        if not plain.ready:
            broken = Verdict("worse", (f"plain Python does not get ready: status {plain.status}",))
            results.append(Result(bench.python, Case(shape, way, stimulus, plain, plain, plain, plain), broken))
            continue
        interrupted = bench.plain(shape, CTRL_C, way) if plain.status == -signal.SIGTERM else plain
        once = bench.plain(shape, stimulus.first, way) if stimulus.is_double else plain
        case = Case(shape, way, stimulus, plain, bench.observe(shape, way, stimulus), interrupted, once)
        results.append(Result(bench.python, case, judge(case)))
    return results


def again(bench: Bench, result: Result) -> Result:
    """What is worse, once more by itself, for the machine may have been busy. No outcome that was seen is dropped."""
    if result.verdict.word != "worse":
        return result
    case = result.case
    before = "plain on uvloop" if case.way == "uvloop" else "plain"
    plain, ours = (bench.observe(case.shape, way, case.stimulus) for way in (before, case.way))
    second = replace(case, plain=plain, ours=ours)
    print(f"{result.python} {case}: was {result.verdict}, and alone is {judge(second)}", flush=True)
    return Result(result.python, second, judge_both(case, second), case)


def examine(bench: Bench, shapes: list[Shape], options: argparse.Namespace) -> list[Result]:
    """All of those shapes on one Python."""
    bench.set_up(shapes)
    jobs, printing = [], threading.Lock()
    for shape in shapes:
        if not bench.has(shape):
            print(f"Python {bench.python} has not what {shape.name} needs.", flush=True)
            continue
        for stimulus in shape.stimuli:
            ways = [way for way in options.ways if way == "plain" or way in shape.ways_for(stimulus)]
            if not options.stimuli or stimulus.name in options.stimuli:
                jobs.append((shape, stimulus, ways))

    def one(job: tuple[Shape, Stimulus, list[str]]) -> list[Result]:
        results = compare(bench, *job)
        with printing:
            for result in results:
                print(f"{bench.python} {result.case}: {result.verdict}", flush=True)
        return results

    with ThreadPoolExecutor(options.at_a_time) as pool:
        results = [result for found in pool.map(one, jobs) for result in found]
    return [again(bench, result) for result in results]


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="SHAPE", default=[], help="by name; default: all")
    parser.add_argument("--python", nargs="+", metavar="X.Y", default=list(PYTHONS), help="default: 3.11, 3.13, 3.15")
    parser.add_argument("--stimuli", nargs="+", metavar="STIMULUS", default=[], help='such as "TERM 1s TERM"')
    parser.add_argument("--ways", nargs="+", choices=(*WAYS, "plain"), default=list(WAYS), help="besides plain Python")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help="programs at a time, default: %(default)s")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page for the docs; with --only, those rows")
    parser.add_argument("--worse", type=Path, metavar="FILE", help="write what is worse there, in full")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venv", help="where the Pythons are")
    options = parser.parse_args(words)
    if options.write and (options.stimuli or options.ways != list(WAYS)):
        parser.error("--write needs all stimuli and all ways; only --only may go with it")
    options.pythons = {version: options.venvs / version / "bin" / "python" for version in options.python}
    return options


def default_signals() -> None:
    """The programs get the default actions, also where this was started in the background by a shell."""
    for signum in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)


def run_all(shapes: list[Shape], options: argparse.Namespace) -> list[Result]:
    """All of those shapes on those Pythons that are there."""
    default_signals()
    results = []
    for python, exe in options.pythons.items():
        if not exe.exists():
            print(f"There is no Python {python} here ({exe}).", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="harm-") as folder:
            results += examine(Bench(python, str(exe), Path(folder)), shapes, options)
    return results


def main(words: list[str]) -> int:
    """Run what the command line says; 1 where something is worse, 2 where nothing was run."""
    options = arguments(words)
    shapes = [shape for shape in all_shapes() if not options.only or shape.name in options.only]
    results = run_all(shapes, options)
    print("\n".join(["", *verdicts(shapes, results), ""]))
    text = complaints(results)
    print(text + f"\n{len(results)} cases: {_count(results, 'same')}, {_count(results, 'better')}, "
          f"{_count(results, 'worse')}")  # fmt: skip
    if options.worse:
        options.worse.write_text(text, "utf-8")
    if options.write:
        new = updated(options.write.read_text("utf-8"), shapes, results) if options.only else page(shapes, results)
        options.write.write_text(new, "utf-8")
    return 2 if not results else any(result.verdict.word == "worse" for result in results)


def _count(results: list[Result], word: str) -> str:
    return f"{sum(result.verdict.word == word for result in results)} {word}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
