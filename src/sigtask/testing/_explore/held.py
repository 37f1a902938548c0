"""Which of asyncio's locks and semaphores are held, of all that can be reached from a state or a function.

A semaphore shows how many of its places are free by nothing public, so it is asked for them: `acquire()` of one that is
free returns at once, and what was taken is given back.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

MOST = 5_000
"""How many objects are looked at."""
PLACES = 1_000
"""How many free places of a semaphore are counted."""

_LEAVES = (
    str, bytes, bytearray, int, float, complex, bool, type(None), type, types.ModuleType, types.CodeType,
    types.FrameType, types.TracebackType, types.BuiltinFunctionType, types.CoroutineType, types.GeneratorType,
    asyncio.AbstractEventLoop, asyncio.Future,
)  # fmt: skip

_PLAIN = frozenset([str, bytes, int, float, bool, type(None), type])
_PRIMITIVES = (asyncio.Lock, asyncio.Semaphore, asyncio.Condition)


class Held:
    """The locks and semaphores that were found, and how each was then."""

    def __init__(self, roots: dict[str, Any]) -> None:
        self._known = [(path, thing, state_of(thing)) for path, thing in primitives(roots)]

    def __bool__(self) -> bool:
        return bool(self._known)

    def changes(self, *, alone: bool) -> list[str]:
        """What is held now and was free then; `alone`, also the other way round: else others may have given it back."""
        found = []
        for path, thing, before in self._known:
            now = state_of(thing)
            gone = now < before if isinstance(thing, asyncio.Semaphore) else now > before
            if now == before or not (gone or alone):
                continue
            kind = type(thing).__name__
            if isinstance(thing, asyncio.Semaphore):
                found.append(f"{path}, a {kind}, has {now} free places, and had {before}")
            else:
                found.append(f"{path}, a {kind}, is {'still held' if now else 'free, and was held before'}")
        return found


def state_of(thing: Any) -> int:
    """Of a lock, whether it is held; of a semaphore, how many places are free."""
    if not isinstance(thing, asyncio.Semaphore):
        return int(thing.locked())
    taken = 0
    while taken < PLACES and not thing.locked():
        acquiring = thing.acquire()
        try:
            acquiring.send(None)
        except StopIteration:
            taken += 1
        else:  # it would have to wait, whatever it says
            acquiring.close()
            break
    for _ in range(taken):
        thing.release()
    return taken


class Roots:
    """Where to look: what `setup()` gave, and what the operation has got hold of otherwise."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._fixed: dict[str, Any] = {}
        self._cells: list[tuple[str, types.CellType]] = []
        self._globals: list[tuple[str, dict[str, Any]]] = []
        self._add(function)

    def _add(self, function: Any) -> None:
        function = inspect.unwrap(function)
        if isinstance(function, functools.partial):
            self._fixed["arguments"] = [*function.args, *function.keywords.values()]
            self._add(function.func)
            return
        if (owner := getattr(function, "__self__", None)) is not None:
            self._fixed["self"] = owner
        elif not hasattr(function, "__code__"):  # an object that can be called
            self._fixed[type(function).__name__] = function
        if (code := getattr(function, "__code__", None)) is not None:
            cells = getattr(function, "__closure__", None) or ()
            self._cells += zip(code.co_freevars, cells, strict=False)
            self._globals += [(name, function.__globals__) for name in code.co_names if name in function.__globals__]

    def of(self, state: object) -> dict[str, Any]:
        """With this state."""
        roots = {"state": state, **self._fixed}
        for name, cell in self._cells:
            try:
                roots[name] = cell.cell_contents
            except ValueError:  # not filled yet
                continue
        for name, known in self._globals:
            if isinstance(found := known.get(name), _PRIMITIVES):
                roots[name] = found
        return roots


def primitives(roots: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every lock and semaphore, with the way to it."""
    return ((path, thing) for path, thing in reachable(roots) if isinstance(thing, (asyncio.Lock, asyncio.Semaphore)))


def reachable(roots: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every object that is no mere value, with the way to it; nothing of what is inside a lock or semaphore."""
    queue = deque(roots.items())
    seen: set[int] = set()
    while queue and len(seen) < MOST:
        path, thing = queue.popleft()
        if type(thing) in _PLAIN or isinstance(thing, _LEAVES) or id(thing) in seen:
            continue
        seen.add(id(thing))
        yield path, thing
        if not isinstance(thing, (asyncio.Lock, asyncio.Semaphore)):
            queue.extend(_inside(path, thing))


def _inside(path: str, thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, dict):
        return ((f"{path}[{key!r:.40}]", value) for key, value in list(thing.items()))
    if isinstance(thing, (list, tuple, set, frozenset, deque)):
        return ((f"{path}[{at}]", value) for at, value in enumerate(list(thing)))
    if isinstance(thing, types.FunctionType):
        return iter(())
    if isinstance(thing, types.MethodType):
        return iter([(path.rpartition(".")[0] or path, thing.__self__)])
    attributes = getattr(thing, "__dict__", None)
    if isinstance(attributes, dict) and attributes:
        return ((f"{path}.{name}", value) for name, value in list(attributes.items()))
    return ((path, value) for value in gc.get_referents(thing))


class Shared:
    """What two runs have in common: what can be reached from both, and was changed between."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[Any, tuple[int, ...]]] | None = None
        self._state: Any = None
        self.state: str | None = None
        """The type of the state, if both have the same."""
        self.changed: list[str] = []
        """The first three things that both have, and that were changed; the outermost first."""

    def look(self, state: Any, roots: dict[str, Any]) -> None:
        """A run begins: called once for each of the two."""
        if self._first is None:
            self._first = {id(thing): (thing, _contents(thing)) for _, thing in reachable(roots)}
            self._state = state
            return
        if state is self._state and state is not None and not isinstance(state, (str, int, type)):
            self.state = type(state).__name__
        for path, thing in reachable(roots):
            known, before = self._first.get(id(thing), (None, ()))
            if known is thing and before != _contents(thing) and len(self.changed) < 3:
                self.changed.append(f"{path}, a {type(thing).__name__}")

    def forget(self) -> None:
        """Let go of them."""
        self._first, self._state = {}, None


def _contents(thing: Any) -> tuple[int, ...]:
    """What is in a container or an object, by identity."""
    if isinstance(thing, dict):
        return tuple(id(part) for pair in list(thing.items()) for part in pair)
    if isinstance(thing, (list, tuple, deque)):
        return tuple(map(id, list(thing)))
    if isinstance(thing, (set, frozenset)):
        return tuple(sorted(map(id, list(thing))))
    attributes = getattr(thing, "__dict__", None)
    return _contents(attributes) if isinstance(attributes, dict) else ()
