"""The matrix: shapes by ways, on a terminal and as the page `docs/harm.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from allowed import ALLOWED, RANKS, Verdict
from comparing import LADDER, SLACK, Case
from reading import WAYS, Shape

NAMES = {
    "run": "`sigtask run`",
    "uvloop": "`--loop uvloop`",
    "own": "`sigtask.run()`",
    "function": "`sigtask run module:main`",
}


@dataclass(frozen=True)
class Result:
    """A case on one Python, and what is said of it."""

    python: str
    case: Case
    verdict: Verdict
    before: Case | None = None
    """The first of two runs, where the case was run once more by itself."""


def cell(results: Iterable[Result]) -> str:
    """What is said of one shape in one way: the worst on any Python, by stimulus, where it is not all the same."""
    worst: dict[str, Verdict] = {}
    for result in results:
        name, verdict = result.case.stimulus.name, result.verdict
        known = worst.get(name)
        if known is None or RANKS.index(verdict.word) > RANKS.index(known.word):
            worst[name] = verdict
        elif known.word == verdict.word == "better":
            worst[name] = Verdict("better", tuple(sorted({*known.why, *verdict.why})))
    if not worst:
        return ""
    said = {name: _short(verdict) for name, verdict in worst.items()}
    groups = {text: [name for name in said if said[name] == text] for text in sorted(set(said.values()), key=_rank)}
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(text if text == "same" else f"{text}: {', '.join(names)}" for text, names in groups.items())


def letters_in(cell: str, stimulus: str) -> str:
    """The letters of the improvements that a cell of the page has for a stimulus."""
    for part in cell.split("; "):
        text, colon, names = part.partition(": ")
        if text.startswith("better ") and (not colon or stimulus in names.split(", ")):
            return text.removeprefix("better ")
    return ""


def _short(verdict: Verdict) -> str:
    return {"same": "same", "worse": "**worse**"}.get(verdict.word, f"better {''.join(verdict.why)}")


def _rank(text: str) -> tuple[int, str]:
    return (0 if text == "same" else 2 if "worse" in text else 1), text


def row(shape: Shape, results: list[Result]) -> str:
    """One shape, as a line of the table."""
    cells = [cell(r for r in results if r.case.shape == shape and r.case.way == way) for way in WAYS]
    return f"| {shape.name} | {shape.says} | {', '.join(s.name for s in shape.stimuli)} | {' | '.join(cells)} |"


def verdicts(shapes: Iterable[Shape], results: list[Result]) -> list[str]:
    """The matrix for a terminal: a line for each shape and way."""
    lines = []
    for shape in shapes:
        for way in WAYS:
            if said := cell(r for r in results if r.case.shape == shape and r.case.way == way):
                lines.append(f"{shape.name:24} {way:9} {said.replace('**', '')}")
    return lines


def table(shapes: Iterable[Shape], results: list[Result]) -> list[str]:
    """The lines of the table."""
    ways = " | ".join(NAMES[way] for way in WAYS)
    return [
        f"| program | what it does | told by | {ways} |",
        "|---" * (3 + len(WAYS)) + "|",
        *(row(shape, results) for shape in shapes),
    ]


def page(shapes: Iterable[Shape], results: list[Result]) -> str:
    """The page for the docs."""
    pythons = sorted({result.python for result in results}, key=lambda name: [int(part) for part in name.split(".")])
    improvements = [f"- **{entry.letter}: {entry.name}.** {entry.reason}" for entry in ALLOWED]
    intro = INTRO.format(pythons=_listed(pythons), ladder=LADDER, slack=SLACK)
    return "\n".join([intro, *improvements, "", *table(shapes, results)]) + "\n"


def updated(old: str, shapes: Iterable[Shape], results: list[Result]) -> str:
    """The page with new rows for those shapes, and all else as it was."""
    lines = old.splitlines()
    top = next(at for at, line in enumerate(lines) if line.startswith("|---")) + 1
    rows = {line.split(" | ")[0]: line for line in [*lines[top:], *(row(shape, results) for shape in shapes)]}
    return "\n".join([*lines[:top], *(rows[name] for name in sorted(rows))]) + "\n"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def complaints(results: Iterable[Result]) -> str:
    """What is worse, in full: each shape with each stimulus once, and the ways that are worse in the same things."""
    groups: dict[tuple[str, str, str, tuple[str, ...]], list[Result]] = {}
    for result in results:
        if result.verdict.word == "worse":
            key = (result.case.shape.name, result.case.stimulus.name, result.python, result.verdict.why)
            groups.setdefault(key, []).append(result)
    return "\n".join(_complaint(found) for found in groups.values())


def _complaint(results: list[Result]) -> str:
    first = results[0].case
    ways = ", ".join(result.case.way for result in results)
    lines = [f"## {first.shape.name}, {first.stimulus.name}: {ways} (Python {results[0].python})", ""]
    lines += [*(f"- {why}" for why in results[0].verdict.why), ""]
    before = results[0].before or first
    runs = [("plain", before.plain), ("ours ", before.ours)]
    if before is not first:
        runs += [("plain alone", first.plain), ("ours alone ", first.ours)]
    for name, seen in runs:
        lines.append(f"    {name} status {seen.status}, {seen.took:.1f} s: {' / '.join(seen.lines)}")
    shown = [line for line in first.ours.stderr if line.strip() and "/click/" not in line and "<frozen" not in line]
    return "\n".join([*lines, *(f"      | {line}" for line in shown[-10:]), ""])


INTRO = """# Do no harm

Programs that know nothing of sigtask, under plain Python and under sigtask. Each prints what it does: its cleanup,
the handlers that are called, what comes out of `asyncio.run()`. `make harm` runs them all, on Python {pythons}, and
makes this page. Compared are the lines and their order, the exit status, processes and temporary files left behind,
the port, and the time; differences in time below {slack:g} s are not looked at. The ladder is `{ladder}`.

- **told by**: OS signals, with pauses between two of them. `^C` is a Ctrl-C on a terminal, which goes to all processes
  of the program; `none` is the program left alone.
- **`--loop uvloop`** is compared with plain Python on uvloop.
- **same**: no difference to plain Python, for all of the stimuli that are not named. An empty cell: the way does not
  fit the program.
- **better**: it differs by one of the improvements below, each with a condition that is checked.
- **worse**: it differs in any other way. One of these fails `make harm`.

What is worse is run once more by itself, plain Python as well, for a machine that is busy may be too slow for a program
once. That forgives the first run its time only. In all else both runs count: each outcome of ours must be as good as
one that plain Python has shown, and where one is not, both runs are printed.

"""
