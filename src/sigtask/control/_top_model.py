"""What `sigtask top` shows, as a value: which tasks, in which order, which one is chosen. It draws and asks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ._columns import Layout, layout, width_of
from ._model import SORTS, Line, Program, Row, arranged, head, hears, label, loop_line, signals_of, stop_of
from ._text import age, shown

ORDERS = ("tree", *SORTS)


@dataclass
class View:
    """The state of the screen. `program` is what was seen last."""

    program: Program = field(default_factory=Program)
    sort: str = "tree"
    words: str = ""
    """What a task's line must contain, in any case, to be shown."""
    folds: bool = True
    frozen: bool = False
    chosen: int | None = None
    """The id of the task at the cursor."""
    lines: list[Line] = field(default_factory=list)

    def take(self, program: Program) -> None:
        """It looks so now. Nothing changes while the view is frozen."""
        if not self.frozen:
            self.program = program
            self.arrange()

    def arrange(self) -> None:
        """Put the tasks in order; the chosen one stays chosen while it lives, else its place is."""
        at = self.cursor
        words = self.words.lower()
        rows = [row for row in self.program.tasks if not words or words in self._text_of(row)]
        self.lines = arranged(rows, self.sort, fold=self.folds)
        if not any(line.row["id"] == self.chosen for line in self.lines):
            self.chosen = self.lines[min(at, len(self.lines) - 1)].row["id"] if self.lines else None

    def _text_of(self, row: Row) -> str:
        told = " ".join(signals_of(row, self.program))
        return f"{row['id']} {row.get('state')} {label(row)} {row.get('where')} {told}".lower()

    @property
    def cursor(self) -> int:
        """Which line the chosen task is in; 0 when it is in none."""
        return next((at for at, line in enumerate(self.lines) if line.row["id"] == self.chosen), 0)

    def move(self, by: int) -> None:
        """Choose the task so many lines further down."""
        if self.lines:
            at = max(0, min(len(self.lines) - 1, self.cursor + by))
            self.chosen = self.lines[at].row["id"]

    def next_order(self) -> None:
        """Sort by the next thing."""
        self.sort = ORDERS[(ORDERS.index(self.sort) + 1) % len(ORDERS)]
        self.arrange()

    @property
    def row(self) -> Row | None:
        """The chosen task."""
        return next((line.row for line in self.lines if line.row["id"] == self.chosen), None)

    def header(self, room: int | None = None) -> list[str]:
        """What stands above the tasks, on a screen that is so wide: the process, how its stop goes, and its loops."""
        lines = [head(self.program, room)]
        lines += stop_of(self.program)
        lines += [loop_line(loop) for loop in self.program.loops.values()]
        about = [f"sorted by {self.sort}", f"{len(self.lines):,} lines"]
        about += [f"only with {shown(self.words)!r}"] * bool(self.words) + ["FROZEN"] * self.frozen
        return [*lines, ", ".join(about)]

    def cells(self, line: Line) -> tuple[str, ...]:
        """What stands in the columns of `TITLES`."""
        row, program = line.row, self.program
        more = f"  ({len(line.alike) + 1:,} alike)" if line.alike else ""
        return (
            str(row["id"]),
            shown(str(row.get("state"))),
            age(program.age(row.get("born"))),
            hears(row),
            _signal(row),
            f"{line.prefix}{label(row)}{more}",
            shown(str(row.get("where") or row.get("error"))),
        )

    def layout(self, room: int) -> Layout:
        """The columns for a screen that is so wide."""
        rows = self.program.tasks
        return layout(
            room,
            longest_id=len(str(max((row["id"] for row in rows), default=0))),
            longest_task=max((width_of(self.cells(line)[5]) for line in self.lines[:1000]), default=20),
            signals=any(row.get("in_force") or row.get("pending") for row in rows),
        )

    def details(self, stack: list[Any]) -> Iterator[str]:
        """All about the chosen task, and its stack."""
        if (row := self.row) is None:
            return
        parent = next((other for other in self.program.tasks if other["id"] == row.get("parent")), None)
        spawned = "" if parent is None else f", spawned by {parent['id']} {label(parent)}"
        yield f"{row['id']}  {label(row)}{spawned}"
        yield from (f"  {told}" for told in signals_of(row, self.program))
        yield from (f"  at {shown(str(place))}" for place in stack or [row.get("where")])


def _signal(row: Row) -> str:
    """The strongest signal it has, in a word: in capitals when it is being handled."""
    force = row.get("in_force")
    pending = [one for one in row.get("pending") or () if isinstance(one.get("level"), int)]
    if isinstance(force, dict):
        return shown(str(force.get("signal"))).upper()
    best = max(pending, key=lambda one: one["level"], default=None)
    return "" if best is None else shown(str(best.get("signal"))).lower()
