"""How far an exploration has come, for who waits at a terminal for more than two seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import Session

AFTER = 2.0


class Progress:
    """A line on stderr, drawn by rich where that is installed; nothing where stderr is no terminal."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun = time.monotonic()
        self._bar: Any = None
        self._has_line = False
        session.progress = self._show

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._has_line:
            sys.stderr.write("\r\033[K")

    def _show(self, session: Session) -> None:
        if time.monotonic() - self._begun < AFTER or not sys.stderr.isatty():
            return
        total, failed = session.runs + len(session.queue), len(session.failures)
        text = f"exploring {session.case.name}: {session.runs} of {total} runs, {failed} failed"
        if self._bar is None and not self._has_line:
            self._bar = _bar(total)
        if self._bar is None:
            self._has_line = True
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
        else:
            self._bar.update(self._bar.task_ids[0], total=total, completed=session.runs, description=text)


def _bar(total: int) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
    except ImportError:
        return None
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task("", total=total)
    bar.start()
    return bar
