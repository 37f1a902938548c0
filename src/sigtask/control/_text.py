"""What others have named is shown, and not obeyed: escape sequences, bidirectional overrides, new lines."""

from __future__ import annotations

import re

from ..report import printable
from ..signals import clipped as clipped

LONGEST = 200
"""Characters of a name or a reason that are told to others."""


def shown(text: str, keep: str = "") -> str:
    """As `printable`, but that new lines are written out, too."""
    return printable(text, keep)


def said(thing: object, longest: int = LONGEST) -> str:
    """What a person is told of a reason: its `str()`, which is foreign code and may fail."""
    try:
        text = f"{type(thing).__name__}: {thing}" if isinstance(thing, BaseException) else str(thing)
    except Exception as error:
        text = f"<{type(thing).__name__}, whose str() raises {type(error).__name__}>"
    return clipped(text, longest)


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `5 d 3 h`; `?` where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def age(seconds: float | None) -> str:
    """The same, shorter, for a column: `0.4 s`, `12 s`, `59 min`, `2.2 h`, `5.1 d`."""
    if seconds is None or seconds < 60:
        return duration(seconds)
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 86400 else f"{seconds / 86400:.1f} d"


def stop_lines(
    cause: str, rung: str | None, rung_left: float, then: str | None, left: int, slowest: str
) -> tuple[str, str]:
    """How a stop goes, in two lines: the live view has them while stopping, and `sigtask top` above its tasks."""
    tasks = f"{left} task{'' if left == 1 else 's'} left"
    head = f"{cause}  {rung or 'the end'}  {rung_left:4.1f} s, then {then or 'the process is ended'}  ({tasks})"
    slowest = slowest.replace("the loop is blocked", "the loop: blocked")
    return head, re.sub(r"\S*site-packages/", "", f"waiting for {slowest}")
