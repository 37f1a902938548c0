"""Who takes part: how each makes its tasks, on which loops, and which workloads it can do at all.

stock, sigtask and the Python task share their workloads, which then differ in nothing but the task. anyio, quattro and
aiotools run on stock tasks and bring their own scopes and groups; trio has a loop of its own. asynkit's
`task_interrupt` needs asyncio's Python tasks, and reads the loop's ready queue, which uvloop does not show.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from section import Section

Workload = Callable[[int, Section], Coroutine[Any, Any, None]]

LOOPS = ("asyncio", "uvloop")


@dataclass(frozen=True)
class Contender:
    """One way to have tasks."""

    title: str
    modules: tuple[str, ...]
    """The workloads it does, by module; of one name in two, the later."""
    package: str = ""
    """What has to be installed for it."""
    loops: tuple[str, ...] = LOOPS
    env: tuple[tuple[str, str], ...] = ()

    def workloads(self) -> dict[str, Workload]:
        """What it can do, by name."""
        found: dict[str, Workload] = {}
        for name in self.modules:
            module, _, table = name.partition(":")
            found |= getattr(import_module(module), table or "WORKLOADS")
        return found


_TASKS = ("work_tasks", "work_signals", "work_stop", "work_blocks")
_OURS = (*_TASKS, "work_signals:SIGTASK", "work_stop:SIGTASK", "work_blocks:SIGTASK")

CONTENDERS = {
    "stock": Contender("asyncio", _TASKS),
    "sigtask": Contender("sigtask", _OURS),
    "pure": Contender("sigtask, Python only", _OURS, env=(("SIGTASK_PURE", "1"),)),
    "pytask": Contender("asyncio's Python task", ("work_tasks", "work_signals", "work_stop")),
    "asynkit": Contender("asynkit", ("work_asynkit",), "asynkit", ("asyncio",)),
    "anyio": Contender("anyio", ("work_anyio",), "anyio"),
    "trio": Contender("trio", ("work_trio",), "trio", ("asyncio",)),
    "quattro": Contender("quattro", ("work_groups:QUATTRO",), "quattro"),
    "aiotools": Contender("aiotools", ("work_groups:AIOTOOLS",), "aiotools"),
    "stock-eager": Contender("asyncio, eager", _TASKS),
    "sigtask-eager": Contender("sigtask, eager", _OURS),
}
PEERS = ("pytask", "asynkit", "anyio", "trio", "quattro", "aiotools")


def run(kind: str, loop: str, workload: Workload, n: int, section: Section) -> None:
    """Run the workload to its end, on a loop of its own."""
    if kind == "trio":
        import_module("trio").run(workload, n, section)
        return
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        prepare(runner.get_loop(), kind)
        runner.run(workload(n, section))


def prepare(loop: asyncio.AbstractEventLoop, kind: str) -> None:
    """Give the loop the contender's tasks; the factories are what each of them would have a user install."""
    if kind.startswith("sigtask") or kind == "pure":
        import_module("sigtask").install(loop, eager=kind.endswith("-eager"))
    elif kind == "stock-eager":
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # from 3.12 on
    elif kind == "asynkit":
        import_module("asynkit.compat").patch_pytask()
        loop.set_task_factory(import_module("asynkit.experimental.interrupt").task_factory)
    elif kind == "pytask":
        if sys.version_info >= (3, 14):  # a Python task needs Python's own book of who runs there
            import_module("asynkit.compat").patch_pytask()
        made: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # asyncio's own, and there is no other name
        loop.set_task_factory(lambda loop, coro, **kwargs: made(coro, loop=loop, **kwargs))
