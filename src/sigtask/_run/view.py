"""What a person sees during a stop: two live lines on a terminal, or one line per rung."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO

from .line_view import LineView
from .live_view import LiveView

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LineView", "LiveView", "default_observer", "make_view"]


def make_view(
    *, quiet: bool, report_file: Path | None, log: Literal["text", "json"] = "text", stream: TextIO | None = None
) -> LineView:
    """The right view: silent, JSON, live on a terminal, or one line per rung."""
    out = stream or sys.stderr
    if quiet or out is None:  # Python has no sys.stderr when it was closed beforehand
        return LineView(None, report_file)
    if log == "json":
        from .json_view import JsonView

        return JsonView(out, report_file)
    return LiveView(out, report_file) if _is_screen(out) else LineView(out, report_file)


def default_observer() -> LineView | None:
    """The view of `run()` on a terminal, which is that of the command; `None` without a terminal."""
    try:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        on_terminal = False
    return make_view(quiet=False, report_file=None) if on_terminal else None


def _is_screen(stream: TextIO) -> bool:
    """Whether it is a terminal that is large enough and can be drawn on."""
    try:
        return (
            stream.isatty()
            and os.environ.get("TERM", "dumb") != "dumb"
            and min(os.get_terminal_size(stream.fileno())) > 5
        )
    except (OSError, ValueError):
        return False
