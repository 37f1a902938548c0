"""Whether anybody in this process could hear a Drain (R26): a rung that nobody can hear is skipped.

A task that asks `requested(Drain)` after its first item listens, though it has not asked yet. So what counts is not
what was called but what can be: which of sigtask's names any code has got hold of. `from sigtask import requested`
asks the package for it, which notes that (`note`); who has `import sigtask` is looked through for the names it uses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from inspect import getattr_static
from types import CodeType, FunctionType, GetSetDescriptorType, MethodType, ModuleType
from typing import Any

ASKS = frozenset(("requested", "wait_requested"))
BLOCKS = frozenset(("accept", "catch", "on_signal", "until"))
CLASSES = frozenset(("Drain", "Signal"))
NAMES = ASKS | BLOCKS | CLASSES

_taken: set[str] = set()
_looked_at: set[tuple[str, int]] = set()


def note(name: str) -> None:
    """Some code has got hold of this name."""
    _taken.add(name)


def could_be_heard() -> bool:
    """Whether any loaded code could react to a Drain: it can ask for any signal, or has a block and a signal class."""
    if not _is_enough():
        _look_through_modules()
    return _is_enough()


def look_through(fn: Any) -> None:
    """Look through a function that came here by value, as cloudpickle sends those of `__main__`: no module has it.

    With it come the functions and classes that it names.
    """
    while isinstance(fn, partial):
        fn = fn.func
    function: Any = fn
    if not isinstance(fn, FunctionType):  # a method, or an object that can be called
        function = getattr(fn, "__func__", None) or getattr_static(fn, "__call__", None)
    if not isinstance(function, FunctionType) or _is_enough():
        return
    names = function.__globals__
    if names is getattr(sys.modules.get(function.__module__), "__dict__", None):
        return
    package = sys.modules[__name__.partition(".")[0]]
    has_package = _is_among(package, names)
    for code in _codes((function, type(fn), *names.values()), function.__module__):
        if has_package or package.__name__ in code.co_names:
            _taken.update(NAMES.intersection(code.co_names))


def _enclosed_in(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty
            yield cell.cell_contents


def _is_enough() -> bool:
    return bool(_taken & ASKS or (_taken & BLOCKS and _taken & CLASSES))


def _look_through_modules() -> None:
    package = sys.modules[__name__.partition(".")[0]]
    for name, module in tuple(sys.modules.items()):
        if not isinstance(module, ModuleType) or name.partition(".")[0] == package.__name__:
            continue
        names = vars(module)
        key = name, len(names)  # a module that is still being imported gets more names
        if key not in _looked_at:
            _looked_at.add(key)
            if _is_among(package, names):
                for code in _codes(names.values(), name):
                    _taken.update(NAMES.intersection(code.co_names))


def _is_among(package: ModuleType, names: dict[str, Any]) -> bool:
    return any(value is package for value in tuple(names.values()))  # `in` would ask each how it compares


def _codes(things: Iterable[Any], module: str) -> Iterator[CodeType]:
    """All code that a module's functions and classes have, also where these are enclosed or in a container."""
    queue, seen = list(things), set[int]()
    while queue:
        thing = queue.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        kind = type(thing)
        if kind is FunctionType:
            yield from _nested(thing.__code__)
            queue += _enclosed_in(thing)
        elif kind in (staticmethod, classmethod, MethodType):
            queue.append(thing.__func__)
        elif kind is property:
            queue += (thing.fget, thing.fset)
        elif kind is partial:
            queue += (thing.func, *thing.args)
        elif kind is dict:
            queue += tuple(thing.values())
        elif kind in (list, tuple, set, frozenset):
            queue += tuple(thing)
        elif issubclass(kind, type) and thing.__module__ == module:  # isinstance() would ask the thing
            queue += tuple(vars(thing).values())
        if (wrapped := _wrapped_by(thing)) is not None:
            queue.append(wrapped)


def _wrapped_by(thing: Any) -> Any:
    """Its `__wrapped__`, without running code of it. On 3.12 `getattr_static` keeps the class for as long as it can."""
    for cls in type(thing).__mro__:
        if (names := vars(cls).get("__dict__")) is not None:
            return names.__get__(thing).get("__wrapped__") if isinstance(names, GetSetDescriptorType) else None
    return None


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _nested(const)
