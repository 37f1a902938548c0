"""`sigtask top`: the screen. What it shows is `_top_model`; here it is drawn, and keys are read.

The process is asked in a thread, over one connection, and for actions over one of their own: a program that does not
answer holds up no key.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.geometry import Region, Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Footer, Input, Static

from ._checked import objects_in
from ._client import Connection, Declined, Unreachable
from ._columns import TITLES
from ._model import FATES, Line, Program, look
from ._text import shown
from ._top_model import View

SECONDS = 1.0
"""Between two looks."""
KEYS = """\
up, down, page up, page down, home, end    move
s          sort by the next column; the tree comes first
/          show only tasks with these words in their line; Escape: all
a          a line for each task, or one for all that are alike
space      freeze the picture, and let it go on
enter      show all about the task, and its stack
d i t k    send it a drain, interrupt, terminate, kill; it asks why
D I T K    the same, to all that it has spawned as well
q, Ctrl-C  leave; the program goes on

SIGNAL has the strongest signal of a task: in capitals if the task is
handling it, in small letters if it is pending. HEARS is the weakest
signal that is thrown into it now.

Press any key."""


class Help(ModalScreen[None]):
    """The keys, until one is pressed."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help > Static { width: auto; max-width: 100%; padding: 1 2; border: round $primary; }
    """

    def compose(self) -> ComposeResult:
        """The text."""
        yield Static(KEYS, markup=False)

    def on_key(self, event: Key) -> None:
        """Any key closes it, and does nothing else."""
        event.stop()
        event.prevent_default()
        self.dismiss()


class Reason(ModalScreen["str | None"]):
    """Asks why; Enter sends, and Escape sends nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "send nothing")]
    DEFAULT_CSS = """
    Reason { align: center middle; }
    Reason > Vertical { width: 80%; height: auto; padding: 1 2; border: round $warning; background: $surface; }
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def compose(self) -> ComposeResult:
        """What is about to be done, and the question."""
        with Vertical():
            yield Static(self._what, markup=False)
            yield Input(placeholder="the reason; may be left out", max_length=1000)
            yield Static("Enter sends it, Escape does not", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """It is to be sent."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """It is not."""
        self.dismiss(None)


class Tasks(ScrollView, can_focus=True):
    """The lines of a view, of which only those on the screen are drawn."""

    DEFAULT_CSS = "Tasks { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.move(-1)", show=False),
        Binding("down", "app.move(1)", show=False),
        Binding("pageup", "app.page(-1)", show=False),
        Binding("pagedown", "app.page(1)", show=False),
        Binding("home", "app.move(-1000000000)", show=False),
        Binding("end", "app.move(1000000000)", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view
        self.columns = view.layout(80)

    def update(self) -> None:
        """The view has changed."""
        self.columns = self._view.layout(self.size.width)
        self.virtual_size = Size(self.size.width, len(self._view.lines))
        self.scroll_to_region(Region(0, self._view.cursor, 1, 1), animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if at >= len(self._view.lines):
            return Strip.blank(width, self.rich_style)
        line = self._view.lines[at]
        style = self._style(line)
        return Strip([Segment(self.columns.line(self._view.cells(line)), style)]).adjust_cell_length(width, style)

    def _style(self, line: Line) -> Style:
        row, style = line.row, self.rich_style
        if row.get("state") == "running":
            style += Style(color="red", bold=True)
        elif row.get("in_force"):
            style += Style(color="yellow", bold=True)
        elif row.get("pending"):
            style += Style(color="yellow")
        return style + Style(reverse=row["id"] == self._view.chosen)


class Top(App[None]):
    """The whole screen."""

    CSS = """
    #header { height: auto; background: $boost; }
    #titles { height: 1; text-style: bold; background: $primary-background; }
    #details { height: auto; max-height: 12; border-top: solid $primary; }
    #filter { display: none; }
    #filter.asked { display: block; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "keys", "keys"),  # these two first: a narrow screen cuts the others off
        Binding("q", "quit", "leave"),
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter"),
        Binding("a", "fold", "each/alike"),
        Binding("space", "freeze", "freeze"),
        Binding("enter", "details", "stack"),
        *(Binding(name[0], f"send('{name}', False)", name) for name in ("drain", "interrupt", "terminate", "kill")),
        *(
            Binding(name[0].upper(), f"send('{name}', True)", show=False)
            for name in ("drain", "interrupt", "terminate", "kill")
        ),
        Binding("escape", "all", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.view = View()
        self._table = Tasks(self.view)
        self._details = False
        self._stack: list[Any] = []
        self._looks = 0
        self._is_looking = False

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static(id="header", markup=False)
        yield Static(id="titles", markup=False)
        yield self._table
        yield Static(id="details", markup=False)
        yield Input(id="filter", placeholder="words that a task's line must contain; Enter, or Escape for all")
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and again and again."""
        self._table.focus()
        self._look()
        self.set_interval(SECONDS, self._look)

    def _look(self) -> None:
        """Look, unless somebody is at it: of very many tasks that may take longer than until the next time."""
        if not self._is_looking:
            self._is_looking = True
            at = self._table.scroll_offset.y
            seen: set[int] = {line.row["id"] for line in self.view.lines[at : at + self._table.size.height]}
            chosen = self.view.chosen
            self._look_there(sorted(seen if chosen is None else {*seen, chosen}))

    @work(thread=True, group="look")
    def _look_there(self, seen: list[int]) -> None:
        """Of all tasks, as far as there is time; and again of those on the screen, anew."""
        try:
            program = look(self._connection, fresh=self._looks == 0, family=False)
            anew = look(self._connection, fresh=False, stacks=True, family=False, only=seen[:1000])
            program.put(anew.tasks)
        except (Unreachable, Declined) as error:
            self.call_from_thread(self._over, str(error))
            return
        self.call_from_thread(self._show, program)

    def _over(self, why: str) -> None:
        """The program has gone: say so, and leave what was seen last on the screen no longer than that takes."""
        self.exit(message=f"sigtask: {why}")

    def _show(self, program: Program) -> None:
        self._is_looking = False
        self._looks += 1
        self.view.take(program)
        self._stack = next((row.get("stack") or [] for row in program.tasks if row["id"] == self.view.chosen), [])
        self.redraw()

    def redraw(self) -> None:
        """The view has changed."""
        self.query_one("#header", Static).update("\n".join(self.view.header(self.size.width)))
        self._table.update()
        self.query_one("#titles", Static).update(self._table.columns.line(TITLES))
        details = self.query_one("#details", Static)
        details.display = self._details
        details.update("\n".join(self.view.details(self._stack)))

    # -- keys -----------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Up, down."""
        self._stack = []
        self.view.move(by)
        self.redraw()
        if self._details:
            self._look()

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self.action_move(by * max(1, self._table.size.height - 1))

    def action_sort(self) -> None:
        """The next order."""
        self.view.next_order()
        self.redraw()

    def action_fold(self) -> None:
        """Each task, or those that are alike as one."""
        self.view.folds = not self.view.folds
        self.view.arrange()
        self.redraw()

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self.view.frozen = not self.view.frozen
        self.redraw()

    def action_details(self) -> None:
        """All about the chosen task."""
        self._details = not self._details
        self._stack = []
        self.redraw()
        self._look()

    def action_filter(self) -> None:
        """Ask for words."""
        box = self.query_one("#filter", Input)
        box.add_class("asked")
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while they are typed."""
        if event.input.id == "filter":
            self.view.words = event.value
            self.view.arrange()
            self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep them."""
        if event.input.id == "filter":
            event.input.remove_class("asked")
            self._table.focus()

    def action_all(self) -> None:
        """Show all tasks."""
        box = self.query_one("#filter", Input)
        box.value = ""
        box.remove_class("asked")
        self._table.focus()

    def action_keys(self) -> None:
        """Tell of the keys."""
        self.push_screen(Help())

    def action_send(self, signal: str, tree: bool) -> None:
        """Ask for the reason, and send it."""
        if (line := next((one for one in self.view.lines if one.row["id"] == self.view.chosen), None)) is None:
            return
        ids = [line.row["id"], *(row["id"] for row in line.alike)]
        what = f"task {ids[0]}, {self.view.cells(line)[5].strip('├─└│… ')}"
        if len(ids) > 1:
            what = f"{len(ids):,} tasks that are alike, {what}"
        below = " and all that it has spawned" if tree else ""

        def asked(reason: str | None) -> None:
            if reason is not None:
                self._send(signal, ids, reason or None, tree)

        self.push_screen(Reason(f"{signal.upper()} to {what}{below}"), asked)

    @work(thread=True, group="send")
    def _send(self, signal: str, ids: list[int], reason: str | None, tree: bool) -> None:
        fates: dict[str, int] = {}
        try:
            with Connection(self._connection.pid) as connection:
                for at in range(0, len(ids), 1000):
                    part = ids[at : at + 1000]
                    for said in connection.ask("send", signal=signal, tasks=part, reason=reason, tree=tree):
                        for one in objects_in(said, "sent"):
                            fates[str(one.get("fate"))] = fates.get(str(one.get("fate")), 0) + 1
            told = ", ".join(f"{count:,} {shown(FATES.get(fate, fate))}" for fate, count in fates.items())
            told = told or "nobody was there"
        except (Unreachable, Declined) as error:
            told = str(error)
        self.call_from_thread(self.notify, told, title=signal, markup=False)
        self.call_from_thread(self._look)
