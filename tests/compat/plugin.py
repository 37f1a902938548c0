"""A pytest plugin: a library's own tests, on stock tasks or on ours, and what became of each test.

    SIGTASK_COMPAT=stock|sigtask SIGTASK_OUTCOMES=file python -m pytest -p plugin ...

For `sigtask` every loop that is made, uvloop's as well, gets our task factory; a test that asks for asyncio's eager
tasks gets our eager ones. The file gets one JSON object: outcome per test, details of those that failed, and how many
tasks of ours were made.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys

made = 0
pid = os.getpid()
outcomes: dict[str, str] = {}
details: dict[str, str] = {}


def _counting(loop, coro, **kwargs):
    global made
    made += 1
    return _task_factory(loop, coro, **kwargs)


def _inject(loop_class, lazy, eager):
    init, set_factory = loop_class.__init__, loop_class.set_task_factory

    def __init__(self, *args, **kwargs):
        init(self, *args, **kwargs)
        set_factory(self, lazy)

    def set_task_factory(self, factory):
        is_eager = factory is not None and factory is getattr(asyncio, "eager_task_factory", None)
        set_factory(self, eager if is_eager else factory)

    loop_class.__init__, loop_class.set_task_factory = __init__, set_task_factory


def pytest_configure():
    global _task_factory
    if os.environ["SIGTASK_COMPAT"] != "sigtask":
        return
    import sigtask
    from sigtask._core.scopes import wrap_scopes

    _task_factory, eager = sigtask.task_factory, None
    if hasattr(asyncio, "create_eager_task_factory"):
        eager = asyncio.create_eager_task_factory(lambda coro, *, loop, **kwargs: _counting(loop, coro, **kwargs))
    wrap_scopes()
    for module, name in (("asyncio", "BaseEventLoop"), ("uvloop", "Loop")):
        if importlib.util.find_spec(module) is not None:
            _inject(getattr(importlib.import_module(module), name), _counting, eager)


def pytest_runtest_logreport(report):
    seen = outcomes.get(report.nodeid)
    if seen is None or report.outcome == "failed" or seen == "passed":
        outcomes[report.nodeid] = report.outcome
    if report.failed:
        details[report.nodeid] = report.longreprtext


def pytest_unconfigure():
    if os.getpid() != pid:  # a child that a test forked, on its way out
        return
    with open(os.environ["SIGTASK_OUTCOMES"], "w") as file:
        json.dump({"outcomes": outcomes, "details": details, "made": made}, file)
    sys.stdout.flush()
    os._exit(0)  # a thread that a failed test left behind, in accept() for example, would be waited for
