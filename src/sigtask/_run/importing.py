"""Change a module that the program may import later, without importing it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def when_imported(name: str, hook: Callable[[Any], None]) -> Callable[[], None]:
    """Call `hook(module)` as soon as that module is imported, or now if it is. Returns a function that cancels this."""
    if sys.modules.get(name) is not None:  # `None` says that it may not be imported
        hook(sys.modules[name])
        return lambda: None
    finder: Any = _Finder(name, hook)
    sys.meta_path.insert(0, finder)
    return finder.leave  # type: ignore[no-any-return]


class _Finder:
    """Stands before the other finders. It is not a `MetaPathFinder`, because importing that class is slow."""

    def __init__(self, name: str, hook: Callable[[Any], None]) -> None:
        self._name = name
        self._hook = hook

    def leave(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """What the other finders say of it; its loader hooks it."""
        if name != self._name:
            return None
        self.leave()
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._hook(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
