"""Runs some of CPython's own asyncio tests in this process, on stock tasks or on ours, and prints the outcomes.

    suite_child.py stock|sigtask MODULE...

Copies nothing: for `sigtask` every loop that is made gets our task factory, or our eager one where a test asks for
asyncio's, and test classes that are generic over `Task` get a subclass with ours. Prints one JSON object: outcome per
test, and how many tasks of ours were made.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import json
import sys
import unittest
import warnings

made = 0


class Outcomes(unittest.TestResult):
    """Every test's outcome by its name, the worst of its subtests."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, str] = {}
        self.details: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.by_name[test.id()] = "passed"

    def _worse(self, test: unittest.TestCase, outcome: str, err: object) -> None:
        self.by_name[test.id()] = outcome
        self.details[test.id()] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if self.by_name[test.id()] == "failed":
            gc.collect()  # the traceback held tasks; what they log on their end must not fall into the next test

    def addFailure(self, test, err) -> None:  # noqa: D102
        self._worse(test, "failed", err)

    def addError(self, test, err) -> None:  # noqa: D102
        self._worse(test, "failed", err)

    def addSubTest(self, test, subtest, err) -> None:  # noqa: D102
        if err is not None:
            self._worse(test, "failed", err)

    def addSkip(self, test, reason) -> None:  # noqa: D102
        self.by_name[test.id()] = "skipped"


def inject() -> None:
    """Every loop made from now on makes our tasks, and counts them."""
    import sigtask
    from sigtask._core.scopes import wrap_scopes

    def counting(loop, coro, **kwargs):
        global made
        made += 1
        return sigtask.task_factory(loop, coro, **kwargs)

    eager = None
    if hasattr(asyncio, "create_eager_task_factory"):
        eager = asyncio.create_eager_task_factory(lambda coro, *, loop, **kwargs: counting(loop, coro, **kwargs))
    wrap_scopes()
    init, set_factory = asyncio.BaseEventLoop.__init__, asyncio.BaseEventLoop.set_task_factory

    def __init__(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.set_task_factory(counting)

    def set_task_factory(self, factory):
        is_eager = factory is not None and factory is getattr(asyncio, "eager_task_factory", None)
        set_factory(self, eager if is_eager else factory)

    asyncio.BaseEventLoop.__init__ = __init__
    asyncio.BaseEventLoop.set_task_factory = set_task_factory


def generic_over_task(module) -> None:
    """Put our Task into each concrete class that tests a C `Task`."""
    import sigtask

    class Task(sigtask.Task):
        """Ours, counted."""

        __slots__ = ()

        def __init__(self, *args, **kwargs):
            global made
            made += 1
            super().__init__(*args, **kwargs)

    Task.__qualname__ = "Task"
    ctask = asyncio.tasks._CTask
    for name, cls in list(vars(module).items()):
        if not (isinstance(cls, type) and issubclass(cls, unittest.TestCase)):
            continue
        task = getattr(cls, "Task", None)
        if task is ctask:
            cls.Task = Task
        elif isinstance(task, type) and issubclass(task, ctask):  # the tests make a subclass of the class they test
            future = cls.Future.__bases__[-1]
            future = cls.Future if future is object else future
            # Above theirs, so that what a test class has besides, `all_tasks` and `current_task` since 3.14, stays.
            plain = type(name, (cls,), {"Task": Task, "Future": future, "__module__": cls.__module__})
            setattr(module, name, module.add_subclass_tests(plain))


def main(mode: str, modules: list[str]) -> None:
    """Run the modules and print the outcomes."""
    if mode == "sigtask":
        inject()
    suite = unittest.TestSuite()
    for name in modules:
        module = importlib.import_module(f"test.test_asyncio.{name}")
        if mode == "sigtask":
            generic_over_task(module)
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    outcomes = Outcomes()
    stdout, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite.run(outcomes)
    print(json.dumps({"outcomes": outcomes.by_name, "details": outcomes.details, "made": made}), file=stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
