"""From numbers to tables: for a terminal, and as Markdown for the docs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contenders import CONTENDERS
from counting import Ratio
from rows import (
    BLOCKS,
    EXPLORE,
    IDLE,
    IN_PROCESS,
    PROGRAMS,
    SIGNALS,
    SIZES,
    STOPS,
    SWEEP,
    TASKS,
    Goal,
    Key,
    Numbers,
    Row,
    goals,
    ratio,
)  # fmt: skip

ORDER = ("stock", "sigtask", "pure", "pytask", "asynkit", "anyio", "trio", "quattro", "aiotools")
UNITS = {"count": ("instructions", 1.0, 0), "wall": ("us", 1e6, 2), "cpu": ("us", 1e6, 2), "bytes": ("bytes", 1.0, 0)}
LOOPS = {"asyncio": "asyncio's loop", "uvloop": "uvloop"}


@dataclass(frozen=True)
class Grid:
    """One table."""

    title: str
    head: list[str]
    lines: list[list[str]]

    def text(self) -> str:
        """For a terminal, in columns."""
        plain = [[cell.replace("`", "") for cell in line] for line in (self.head, *self.lines)]
        widths = [max(len(line[i]) for line in plain) for i in range(len(self.head))]
        rows = ["  ".join(_aligned(cell, widths[i], left=i == 0) for i, cell in enumerate(line)) for line in plain]
        return "\n".join([self.title, *(f"  {row}".rstrip() for row in rows), ""])

    def markdown(self) -> str:
        """For the docs."""
        rule = ["---", *["--:"] * (len(self.head) - 1)]
        return "\n".join(
            [f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in (self.head, rule, *self.lines))]
        )


def _aligned(cell: str, width: int, *, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def grids(numbers: Numbers, loops: Iterable[str]) -> list[Grid]:
    """All tables but the goals'."""
    found: list[Grid | None] = []
    for loop in loops:
        on = f"on {LOOPS[loop]}"
        found += [
            _grid(f"a, b: instructions per task or step, {on}", numbers, TASKS, "count", loop),
            _grid(f"c: memory, {on}", numbers, (IDLE,), "bytes", loop),
            _grid(f"d: instructions per signal, {on}", numbers, SIGNALS, "count", loop),
            _grid(f"g: instructions to enter and leave a block, {on}", numbers, BLOCKS, "count", loop),
            _grid(f"a, b, d, g: the same by the clock, {on}", numbers, IN_PROCESS, "wall", loop),
            _grid(f"e: instructions per task of a stop, {on}", numbers, STOPS, "count", loop),
            _grid(f"e: stopping many tasks, processor time per task, {on}", numbers, _stops(), "cpu", loop),
            _growth(numbers, loop),
            _programs(numbers) if loop == "asyncio" else None,
            _explorations(numbers) if loop == "asyncio" else None,
            _servers(numbers, loop),
        ]
    return [grid for grid in found if grid is not None]


def _stops() -> tuple[Row, ...]:
    return tuple(Row("e", f"stop:{size}", f"{size:,} tasks") for size in SIZES)


def _grid(title: str, numbers: Numbers, rows: Sequence[Row], metric: str, loop: str) -> Grid | None:
    keys = {row: Key(row.name, metric, loop) for row in rows}
    there = [row for row in rows if "stock" in numbers.get(keys[row], {})]
    if not there:
        return None
    who = [kind for kind in ORDER[1:] if any(kind in numbers[keys[row]] for row in there)]
    unit, scale, places = UNITS[metric]
    lines = []
    for row in there:
        found = numbers[keys[row]]
        stock = statistics.median(found["stock"]) * scale
        lines.append([row.title, f"{stock:,.{places}f}", *(_cell(numbers, keys[row], kind) for kind in who)])
    return Grid(title, [f"ratio to asyncio ({unit})", "asyncio", *(CONTENDERS[kind].title for kind in who)], lines)


def _cell(numbers: Numbers, key: Key, kind: str) -> str:
    found = ratio(numbers, key, kind, key, "stock")
    if found is None:
        return ""
    places = 2 if found.middle < 10 else 1
    if key.row == "mask" and found.middle < 1:
        places = 3
    spread = f" ({found.low:.2f}-{found.high:.2f})" if found.low != found.high else ""
    return f"{found.middle:.{places}f}{spread}"


def _growth(numbers: Numbers, loop: str) -> Grid | None:
    """What stopping costs in all, per task, and how that grows."""
    lines = []
    for workload, what in (("stop", ""), ("deaf", ", 1 % deaf")):
        for kind in ORDER:
            base = numbers.get(Key(f"{workload}:{SIZES[1]}", "cpu", loop), {}).get(kind)
            cells = []
            for size in SIZES:
                found = numbers.get(Key(f"{workload}:{size}", "cpu", loop), {}).get(kind)
                each = statistics.median(found) if found else 0.0
                growth = f", x{each / statistics.median(base):.2f}" if base and found else ""
                cells.append(f"{each * size:.3f} s, {each * 1e6:.1f} us{growth}" if found else "")
            if any(cells):
                lines.append([CONTENDERS[kind].title + what, *cells])
    title = f"e, f: in all, per task, and per task as a multiple of that at 10,000; on {LOOPS[loop]}"
    return Grid(title, ["tasks stopped", *(f"{size:,}" for size in SIZES)], lines) if lines else None


def _programs(numbers: Numbers) -> Grid | None:
    lines = []
    for row in PROGRAMS:
        found = numbers.get(row.key, {})
        if of := ratio(numbers, row.key, "sigtask", row.key, "stock"):
            pure = ratio(numbers, row.key, "pure", row.key, "stock")
            middles = [statistics.median(found[kind]) * row.scale for kind in ("stock", "sigtask")]
            lines.append([row.title, *(f"{middle:,.1f}" for middle in middles), str(of), str(pure or "")])
    head = ["whole programs", "asyncio.run", "sigtask.run", "ratio (spread)", "of sigtask, Python only"]
    return Grid("i, j: what `run()` costs, on asyncio's loop", head, lines) if lines else None


def _explorations(numbers: Numbers) -> Grid | None:
    lines = []
    for key, title in ((EXPLORE, "of 1,000, beside it run plainly"), (SWEEP, "of ten, beside cancellens")):
        found, than = numbers.get(key, {}), "stock" if key == EXPLORE else "cancellens"
        if of := ratio(numbers, key, "sigtask", key, than):
            middles = [statistics.median(found[kind]) * 1e6 for kind in (than, "sigtask")]
            lines.append([title, *(f"{middle:,.0f}" for middle in middles), str(of)])
    head = ["one run", "theirs, us", "`explore()`, us", "ratio (spread)"]
    return Grid("k: a signal at each of ten awaits, processor time per run", head, lines) if lines else None


def _servers(numbers: Numbers, loop: str) -> Grid | None:
    lines = []
    for server in ("aiohttp", "uvicorn"):
        for metric, unit, scale, places in (("rate", "requests/s", 1.0, 0), ("cpu", "us of processor each", 1e6, 1)):
            key = Key(server, metric, loop)
            found = numbers.get(key, {})
            if of := ratio(numbers, key, "sigtask", key, "stock"):
                middles = [statistics.median(found[kind]) * scale for kind in ("stock", "sigtask")]
                lines.append([f"{server}, {unit}", *(f"{middle:,.{places}f}" for middle in middles), str(of)])
    head = ["hello, world", "asyncio", "sigtask", "ratio (spread)"]
    return Grid(f"h: a server under wrk, on {LOOPS[loop]}", head, lines) if lines else None


# -- goals ------------------------------------------------------------------------------------------------------------


def goal_grid(measured: Mapping[str, Numbers], loop: str = "asyncio") -> Grid:
    """Every goal, and what came of it on each Python: the ratio, its spread, and whether that is good enough."""
    lines = []
    for goal in goals(loop):
        sign = ">=" if goal.at_least else "<="
        verdicts = [_verdict(goal, numbers) for numbers in measured.values()]
        lines.append([f"{goal.letter}: {goal.text}", f"{sign} {goal.limit:.3f}", *verdicts])
    return Grid(f"Goals, on {LOOPS[loop]}", ["ratio", "goal", *measured], lines)


def _verdict(goal: Goal, numbers: Numbers) -> str:
    found = goal.ratio(numbers)
    return "not measured" if found is None else f"{found} {'ok' if goal.kept(found) else 'MISS'}"


def missed(numbers: Numbers) -> list[Goal]:
    """The goals that are not kept; one that was not measured is not among them."""
    return [goal for goal in goals() if (found := goal.ratio(numbers)) is not None and not goal.kept(found)]


def faster_peers(measured: Mapping[str, Numbers], loop: str = "asyncio") -> list[str]:
    """Where a peer is faster than sigtask, or smaller: in instructions, bytes or processor time, not by the clock."""
    found: dict[str, list[str]] = {}
    for python, numbers in measured.items():
        for row, of in _faster_peers(numbers, loop):
            found.setdefault(row, []).append(f"{of} on {python}")
    return [f"{row} at {', '.join(ratios)} of sigtask's" for row, ratios in found.items()]


def _faster_peers(numbers: Numbers, loop: str) -> Iterator[tuple[str, Ratio]]:
    rows = (*IN_PROCESS, IDLE, *STOPS, *_stops())
    titles = {row.name: row.title for row in rows}
    for key, values in numbers.items():
        if key.metric == "wall" or key.loop != loop or key.row not in titles:
            continue
        for kind in ORDER[3:]:
            of = ratio(numbers, key, kind, key, "sigtask")
            if of is not None and of.middle < 1 and kind in values:
                name = next(row.letter for row in rows if row.name == key.row)
                yield f"{name}, {titles[key.row]}: {CONTENDERS[kind].title}", of
