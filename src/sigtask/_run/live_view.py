"""Two lines at the bottom of a terminal that stay up to date while a program is being stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from ..control._text import shown, stop_lines
from ..ladder import Rung
from .controlling import facts_of
from .line_view import LineView, put
from .observer import Progress

if TYPE_CHECKING:
    from pathlib import Path

SAVE, RESTORE, BOLD, DIM, PLAIN = "\x1b7", "\x1b8", "\x1b[1m", "\x1b[2m", "\x1b[m"


class LiveView(LineView):
    """Two lines at the bottom of a terminal: the rung with its seconds left, and the task that is waited for.

    The program's own output scrolls in the region above, so that neither overwrites the other.
    """

    def __init__(self, stream: TextIO, report_file: Path | None = None) -> None:
        super().__init__(stream, report_file)
        self._closed = False
        self._size = (0, 0)
        """Columns and rows the region was set up for; none when it is not."""

    def rung(self, rung: Rung, progress: Progress) -> None:
        """Show it at once."""
        self.tick(progress)

    def tick(self, progress: Progress) -> None:
        """Redraw the two lines."""
        if self._pen.is_busy:
            return
        if progress.is_over:
            self._linger(progress)
            return
        head, below = (shown(line) for line in stop_lines(**facts_of(progress)))
        self._pen.write(lambda: self._draw(head, below))

    def _draw(self, *lines: str) -> None:
        if self._closed or self._stream is None:
            return
        size = os.get_terminal_size(self._stream.fileno())
        columns, rows = size
        out = ""
        if size != self._size:  # make room, and let the program have the rest
            self._size = size
            out += "\n" * len(lines) + f"{SAVE}\x1b[1;{rows - len(lines)}r{RESTORE}\x1b[{len(lines)}A"
        out += SAVE
        for row, line in enumerate(lines, rows - len(lines) + 1):
            text = line if len(line) < columns else line[: columns - 2] + "…"
            out += f"\x1b[{row};1H{BOLD if line is lines[0] else DIM}{text}{PLAIN}\x1b[K"
        put(out + RESTORE, self._stream)

    def _say(self, text: str) -> None:
        """Take the lines away for good, and say it."""
        self._pen.write(self._close)
        super()._say(text)

    def _close(self) -> None:
        self._closed = True
        rows, self._size = self._size[1], (0, 0)
        if rows and self._stream is not None:
            put(f"{SAVE}\x1b[{rows - 1};1H\x1b[J\x1b[r{RESTORE}", self._stream)
