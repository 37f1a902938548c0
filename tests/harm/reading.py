"""A shape: a small program in `shapes/`, and what its head says of how it is run and judged.

The first line of its docstring says what it is. Lines `# harm: KEY VALUE` follow, each KEY as often as needed:

    also STIMULUS, STIMULUS   besides INT and TERM, which every shape gets (`pairs` stands for two of them)
    ways run, own             only those ways, besides plain; without this line, those that fit (see `_fitting`)
    function NAME             also as `sigtask run module:NAME`; plain is then `asyncio.run(NAME())` as everywhere
    command -m pytest {file}  how it is started, where not by its file's name; there are {name} and {port}, too
    needs PACKAGE             left out where it is not installed
    since 3.12                left out on an older Python
    seconds 1.5               for how long it works (`SECONDS` in its environment); without this line, for a minute,
                              and for the stimulus `none` 0.3 s
    serves /PATH              it has a server on `PORT`; a client opens /PATH before the stimulus, and holds on to it
    ignores INT               started with that signal ignored, as a shell's background job is
    lives INT, HUP            after these it is to go on: that it lives is compared, not how it ends
    order any                 its lines come from several threads or processes, in any order
    stderr                    what it prints there is compared, too
    ends 0                    the status it ends with by itself where plain Python hangs and sigtask frees it
    must TERM: LINE           a line that it prints under sigtask, whatever plain Python does (without `TERM:`, for all)
    grace REASON              why a SIGTERM that plain Python dies of at once may take the ladder's time (also with
                              `TERM 1s TERM:` before it)
    exit REASON               why it does not end at once when SystemExit is raised in it
    slack 0.5 REASON          seconds by which its time differs from run to run, under plain Python too
    options --signals INT=default   further options of `sigtask run`
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

from stimuli import ALWAYS, PAIRS, Stimulus

SHAPES = Path(__file__).parent / "shapes"
WAYS = ("run", "uvloop", "own", "function")
KEYS = frozenset(
    "also ways function command options needs since seconds serves ignores lives order stderr must grace exit ends"
    " slack".split()
)
_LINE = re.compile(r"# harm: (\w+) ?(.*)")


@dataclass(frozen=True)
class Shape:
    """One program. `head` has the values of its `# harm:` lines."""

    name: str
    says: str
    source: str
    head: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Shape:
        """The shape in that file. Raises: `ValueError` where its head is wrong."""
        source = path.read_text("utf-8")
        says = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        head: dict[str, list[str]] = {}
        for key, value in _LINE.findall(source):
            head.setdefault(key, []).append(value.strip())
        if not says or head.keys() - KEYS:
            raise ValueError(f"{path}: {'no docstring' if not says else f'no such key: {head.keys() - KEYS}'}")
        return cls(path.stem, says, source, head)

    def words(self, key: str) -> list[str]:
        """The values of a key that has a list."""
        return [word.strip() for value in self.head.get(key, ()) for word in value.split(",")]

    def one(self, key: str, default: str = "") -> str:
        """The value of a key that stands there once, or not at all."""
        return self.head.get(key, [default])[-1]

    @property
    def stimuli(self) -> list[Stimulus]:
        """What it gets, in the order of the table."""
        also = [name for word in self.words("also") for name in (PAIRS if word == "pairs" else (word,))]
        return [Stimulus.parse(name) for name in dict.fromkeys(["none"] * ("none" in also) + [*ALWAYS, *also])]

    @property
    def ways(self) -> list[str]:
        """How it is run besides plain, in the order of the table."""
        return [way for way in WAYS if way in (self.words("ways") or self._fitting())]

    def ways_for(self, stimulus: Stimulus) -> list[str]:
        """The ways it is run in with that stimulus: a second signal is the same to every loop and every start."""
        twice = len(stimulus.signals) > 1
        return [way for way in self.ways if not (twice and way in ("uvloop", "function"))]

    def _fitting(self) -> list[str]:
        ways = ["run"]
        if re.search(r"^import asyncio$", self.source, re.M):
            ways.append("uvloop")
        if "asyncio.run(" in self.source:
            ways.append("own")
        return [*ways, *(["function"] if "function" in self.head else [])]

    def lives_after(self, stimulus: Stimulus) -> bool:
        """Whether it is meant to go on then."""
        return stimulus.name in self.words("lives")

    def said_for(self, key: str, stimulus: Stimulus) -> list[str]:
        """The values of a key that may be for one stimulus only, as in `must TERM: LINE`."""
        found = []
        for value in self.head.get(key, ()):
            of, colon, rest = value.partition(": ")
            if not colon or of not in {s.name for s in self.stimuli}:
                found.append(value)
            elif of == stimulus.name:
                found.append(rest)
        return found


def all_shapes() -> list[Shape]:
    """Every shape, by name. Raises: `ValueError`."""
    return [Shape.read(path) for path in sorted(SHAPES.glob("*.py"))]
