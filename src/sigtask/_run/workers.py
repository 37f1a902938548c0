"""The worker processes of a hosted program: how a house of theirs is taken along, and what it says (R29).

    fork (gunicorn, multiprocessing)    the child has all there is, and `Host` begins anew in it
    spawn (uvicorn, hypercorn)          a new interpreter: the program in its command line is given a first line
    forkserver                          the same for the server, and its children are forks

In each of them nothing is changed but what new loops are, until the first loop runs: see `Host`. A worker that is
started in another way, as a program with arguments of its own, is a program of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..ladder import Ladder
from ..report import ENDINGS
from .importing import when_imported
from .line_view import LineView
from .settings import Settings

SHORTER = 1.0
"""Seconds, or a tenth of the ladder where that is less."""
_ENTRIES = ("from multiprocessing.spawn import spawn_main", "from multiprocessing.forkserver import main")


def ladder_of_worker(settings: Settings) -> Ladder:
    """A little shorter than the parent's: it is told later, and is to be done before the parent's time is over."""
    ladder = settings.ladder
    seconds = ladder.total + ladder.limit
    return ladder.within(seconds - min(SHORTER, seconds / 10))


def view_of_worker(settings: Settings) -> LineView:
    """A view that says which process it is of, with a report file of its own, as `NAME.PID.json`; never live."""
    pid, file = os.getpid(), settings.report_file
    if file is not None:
        ending = next(ending for ending in ENDINGS if file.name.endswith(ending))
        file = file.with_name(f"{file.name.removesuffix(ending)}.{pid}{ending}")
    stream = None if settings.quiet else sys.stderr
    if settings.log == "json" and stream is not None:
        from .json_view import JsonView

        return JsonView(stream, file)
    return LineView(stream, file, f"sigtask[{pid}]")


def reach_workers(settings: Settings, at_end: Callable[[int], int]) -> Callable[[], None]:
    """Take the house along to what `multiprocessing` starts; `at_end(status)` is called in each at its end.

    That gives the exit status. Imports nothing that the program does not. Gives what puts everything back.
    """
    undo = contextlib.ExitStack()

    def hook(util: Any) -> None:
        from multiprocessing.process import BaseProcess

        start: Callable[..., int] = util.spawnv_passfds
        bootstrap: Callable[..., int] = BaseProcess._bootstrap  # type: ignore[attr-defined]

        def spawnv_passfds(path: Any, args: Sequence[Any], passfds: Any) -> int:
            return start(path, with_a_house(args, settings), passfds)

        def _bootstrap(process: Any, *args: Any, **kwargs: Any) -> int:
            return at_end(bootstrap(process, *args, **kwargs))

        undo.callback(setattr, util, "spawnv_passfds", start)
        undo.callback(setattr, BaseProcess, "_bootstrap", bootstrap)
        util.spawnv_passfds = spawnv_passfds
        BaseProcess._bootstrap = _bootstrap  # type: ignore[attr-defined]

    undo.callback(when_imported("multiprocessing.util", hook))  # who starts a process has imported it
    return undo.close


def with_a_house(args: Sequence[Any], settings: Settings) -> list[Any]:
    """The command line of a process of multiprocessing's that is to have a house; any other is left as it is.

    Where the interpreter that is started there has no sigtask, the process is as it would be without us.
    """
    words = list(args)
    at = words.index("-c") + 1 if "-c" in words else len(words)
    if at < len(words) and any(entry in str(words[at]) for entry in _ENTRIES):
        moves_in = f"from sigtask._run.hosting import move_in_as_worker as m\n m({settings.as_text()!r})"
        words[at] = f"try:\n {moves_in}\nexcept ImportError: pass\n{words[at]}"
    return words
