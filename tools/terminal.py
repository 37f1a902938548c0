"""Runs a program on a terminal and draws what it shows, as SVG: the pictures of README, the tutorial and the how-to.

    python tools/terminal.py            draws all of them into docs/img; needs pyte, of the extra `docs`

A picture is what a real run has shown. The programs of the tutorial are taken from its page, in order.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from pages import blocks_of

ROOT = Path(__file__).resolve().parent.parent
IMG = ROOT / "docs" / "img"
COLUMNS, CHAR, LINE, EDGE, BAR = 78, 8.43, 19, 14, 22
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
COLOURS = {"default": "#d8dee9", "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79c0ff"}
COLOURS |= {"magenta": "#d2a8ff", "cyan": "#5fd1c9", "white": "#ffffff", "black": "#6e7681"}


@dataclass(frozen=True)
class Run:
    """A program, what is typed, and what it is sent: pairs of seconds from when it first prints, and an OS signal."""

    name: str
    command: tuple[str, ...]
    typed: str
    files: dict[str, str] = field(default_factory=dict)
    signals: tuple[tuple[float, signal.Signals], ...] = ()
    picture_at: float | None = None
    """So many seconds after the last signal the picture is taken; at the program's end, if that is not given."""
    rows: int = 0
    is_quiet: bool = False
    """It prints nothing until it is stopped: seconds count from its start."""
    env: dict[str, str] = field(default_factory=dict)


def screen_of(run: Run) -> Any:
    """Run it, and give its screen."""
    pyte: Any = import_module("pyte")  # of the extra `docs`; nothing else here needs it
    screen = pyte.Screen(COLUMNS, run.rows or 40)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in run.files.items():
            Path(folder, name).write_text(text, "utf-8")
        main, other = pty.openpty()
        set_size(other, run.rows or 40)
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", **run.env}
        program = subprocess.Popen(
            run.command, stdin=other, stdout=other, stderr=other, cwd=folder, env=env, start_new_session=True
        )
        os.close(other)
        try:
            follow(run, program, main, screen, stream)
        finally:
            if program.poll() is None:
                program.kill()
            program.wait()
            os.close(main)
    return screen


def set_size(terminal: int, rows: int) -> None:
    """Tell the terminal how large it is."""
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))


def follow(run: Run, program: subprocess.Popen[bytes], terminal: int, screen: Any, stream: Any) -> None:
    """Show what it writes, send the signals, stop when it is over or it is time for the picture."""
    todo, since, give_up = list(run.signals), None, time.monotonic() + 30
    while time.monotonic() < give_up:
        if select.select([terminal], [], [], 0.02)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # Linux says so at the end
                return
            if not data:
                return
            stream.feed(data)
        elif program.poll() is not None:
            return
        now = time.monotonic()
        if since is None and (run.is_quiet or any(line.strip() for line in screen.display)):
            since = now
        if since is not None and todo and now >= since + todo[0][0]:
            program.send_signal(todo.pop(0)[1])
            since = now
        if since is not None and not todo and run.picture_at is not None and now >= since + run.picture_at:
            return
    raise TimeoutError(f"{run.name} did not end within 30 s; it shows:\n" + "\n".join(screen.display))


def drawn(run: Run, screen: Any) -> str:
    """The screen as SVG, with the command on top. Empty lines at the end are left out, those in between are drawn."""
    lines = [spans(screen.buffer[row], COLUMNS) for row in range(screen.lines)]
    last = max((number for number, line in enumerate(lines) if line), default=-1)
    rows = [[("$ ", "cyan", True), (run.typed, "white", False)], *lines[: last + 1]]
    width, height = round(COLUMNS * CHAR + 2 * EDGE), len(rows) * LINE + 2 * EDGE + BAR
    buttons = enumerate(("#ff5f57", "#febc2e", "#28c840"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"',
            f' role="img"><title>{escape(run.typed)}</title>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            *(f'<circle cx="{20 + 18 * at}" cy="18" r="5" fill="{colour}"/>' for at, colour in buttons),
            f'<g font-family="{FONT}" font-size="14">',
            *(text for at, row in enumerate(rows) for text in drawn_row(row, EDGE + BAR + (at + 1) * LINE - 5)),
            "</g>",
            "</svg>",
            "",
        ]
    )


def drawn_row(row: list[tuple[str, str, bool]], y: int) -> list[str]:
    """A line of the screen: each piece at its column, as wide as its cells whatever font is there."""
    at, out = 0, []
    for text, colour, bold in row:
        if text.strip():
            look = f'fill="{COLOURS.get(colour, colour)}"' + ' font-weight="bold"' * bold
            place = f'x="{EDGE + at * CHAR:.1f}" y="{y}" textLength="{len(text) * CHAR:.1f}"'
            out.append(
                f'<text xml:space="preserve" {place} lengthAdjust="spacingAndGlyphs" {look}>{escape(text)}</text>'
            )
        at += len(text)
    return out


def spans(cells: Any, columns: int) -> list[tuple[str, str, bool]]:
    """The cells of one row: pieces of text that look the same; none for an empty row."""
    found: list[tuple[str, str, bool]] = []
    for column in range(columns):
        cell = cells[column]
        look = (cell.fg if cell.fg in COLOURS else "default", bool(cell.bold))
        if found and found[-1][1:] == look:
            found[-1] = (found[-1][0] + cell.data, *look)
        else:
            found.append((cell.data, *look))
    if found:
        found[-1] = (found[-1][0].rstrip(), *found[-1][1:])
    return found if "".join(text for text, *_ in found).strip() else []


def tutorial_runs() -> list[Run]:
    """A run for each program of the tutorial."""
    runs = []
    for number, block in enumerate((one for one in blocks_of(ROOT / "docs/tutorial.md") if not one.is_fragment), 1):
        name = f"step{number}.py"
        stopped = ((0.7, signal.SIGTERM),) if "sigterm" in block.words else ()
        files = {name: block.code}
        command = (sys.executable, "-u", name)
        runs.append(Run(f"tutorial-{number}", command, f"python {name}", files, stopped))
    return runs


def stop_run() -> Run:
    """The shop of the examples with one stubborn worker, in the middle of its stop."""
    ladder = "drain=3s,terminate=2s,kill"
    words = ("run", "--ladder", ladder, "orders.py", "--stubborn")
    command = (sys.executable, "-u", "-m", "sigtask", *words)
    files = {"orders.py": (ROOT / "examples/orders.py").read_text("utf-8")}
    return Run("stop", command, f"sigtask {' '.join(words)}", files, ((3.0, signal.SIGINT),), 3.8, 8, is_quiet=True)


def main(names: list[str]) -> None:
    """Draw all pictures, or those of these names."""
    for run in [*tutorial_runs(), stop_run()]:
        if not names or run.name in names:
            (IMG / f"{run.name}.svg").write_text(drawn(run, screen_of(run)), "utf-8")
            print(f"docs/img/{run.name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
