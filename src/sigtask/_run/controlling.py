"""The control socket of a program under a ladder, if it is asked for: see `sigtask.control`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._stop.forced_end import acts
from .children import children
from .deaf import start_deaf
from .observer import Progress

if TYPE_CHECKING:
    from ..control._control import Control


def control_of(supervisor: Any) -> Control:
    """The control, to which each loop is attached. The first loop opens the socket."""
    from ..control._control import Control, remove_sockets  # imported only when it is asked for

    if remove_sockets not in acts:
        acts.append(remove_sockets)
    return Control(
        lambda: None if supervisor.signum is None else facts_of(supervisor),
        lambda: [(child.pid, child.command) for child in children()],
        start_deaf,
    )


def facts_of(progress: Progress) -> dict[str, Any]:
    """How the stop goes, in the form of `control._text.stop_lines`, and where the slowest task is."""
    due = progress.rung_due
    rungs = progress.ladder.rungs
    after = rungs[rungs.index(due) + 1 :] if due is not None else ()
    return {
        "cause": progress.cause,
        "rung": None if due is None else due.name,
        "rung_left": progress.rung_left,
        "then": after[0].name if after else None,
        "left": progress.tasks_left,
        "slowest": progress.slowest,
    }
