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
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
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

_KINDS: dict[str, tuple[type, ...]] = {
    "leaf": (*_LEAVES, types.FunctionType),
    "lock": (asyncio.Lock, asyncio.Semaphore),
    "dict": (dict,),
    "sequence": (list, tuple, set, frozenset, deque),
    "method": (types.MethodType,),
}
_PRIMITIVES = (asyncio.Lock, asyncio.Semaphore, asyncio.Condition)


class Held:
    """The locks and semaphores that were found, and how each was then."""

    def __init__(self, roots: dict[str, Any], kinds: Kinds) -> None:
        self._known = [(path, thing, state_of(thing)) for path, thing in primitives(roots, kinds)]

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
        self.kinds: Kinds = {}
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
            if issubclass(type(found := known.get(name)), _PRIMITIVES):
                roots[name] = found
        return roots


Way = tuple[Any, str, object]
"""How a thing was come to: from where (a way, or the name of a root), by what kind of step, and which."""


Kinds = dict[type, str]
"""What was found out of each type."""


def primitives(roots: dict[str, Any], kinds: Kinds) -> Iterator[tuple[str, Any]]:
    """Every lock and semaphore, with the way to it."""
    return ((told(way), thing) for way, thing in reachable(roots, kinds) if kinds[type(thing)] == "lock")


def reachable(roots: dict[str, Any], kinds: Kinds) -> Iterator[tuple[Way, Any]]:
    """Every object that is no mere value, with the way to it; nothing of what is inside a lock or semaphore.

    Types are asked, not objects: those may be proxies, which raise when they are asked anything.
    """
    queue: deque[tuple[Way, Any]] = deque([((name, "", None), thing) for name, thing in roots.items()])
    seen: set[int] = set()
    while queue and len(seen) < MOST:
        way, thing = queue.popleft()
        if (kind := kinds.get(type(thing))) is None:
            kind = kinds[type(thing)] = _kind_of(type(thing))
        if kind == "leaf" or id(thing) in seen:
            continue
        seen.add(id(thing))
        yield way, thing
        if kind != "lock":
            queue.extend(islice(_inside(way, thing, kind), MOST - len(queue)))


def _kind_of(kind: type) -> str:
    for name, types_ in _KINDS.items():
        if issubclass(kind, types_):
            return name
    return "object"


def _inside(way: Way, thing: Any, kind: str) -> Iterable[tuple[Way, Any]]:
    if kind == "object":
        if attributes := _attributes(thing):
            return [((way, ".", name), value) for name, value in list(attributes.items())]
        return [(way, value) for value in gc.get_referents(thing)]
    if kind == "dict":
        return (((way, "[]", key), value) for key, value in list(dict.items(thing)))
    if kind == "sequence":
        return (((way, "[]", at), value) for at, value in enumerate(list(thing)))
    return [((way, "self", None), thing.__self__)]


def _attributes(thing: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(thing, "__dict__")
    except Exception:  # whatever a descriptor or a proxy raises: it shows none
        return {}
    return found if type(found) is dict else {}


def told(way: Way) -> str:
    """The way, as one would write it."""
    before, step, which = way
    path = before if isinstance(before, str) else told(before)
    if step == ".":
        return f"{path}.{which}"
    if step == "[]":
        try:
            return f"{path}[{which!r:.40}]"
        except Exception:  # a key that cannot be shown
            return f"{path}[a {type(which).__name__}]"
    return path.rpartition(".")[0] or path if step == "self" else path


class Shared:
    """What two runs have in common: what can be reached from both, and was changed between."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[Any, tuple[int, ...]]] | None = None
        self._state: Any = None
        self.state: str | None = None
        """The type of the state, if both have the same."""
        self.changed: list[str] = []
        """The first three things that both have, and that were changed; the outermost first."""

    def look(self, state: Any, roots: dict[str, Any], kinds: Kinds) -> None:
        """A run begins: called once for each of the two."""
        if self._first is None:
            self._first = {id(thing): (thing, _contents(thing)) for _, thing in reachable(roots, kinds)}
            self._state = state
            return
        if state is self._state and state is not None and not isinstance(state, (str, int, type)):
            self.state = type(state).__name__
        for way, thing in reachable(roots, kinds):
            known, before = self._first.get(id(thing), (None, ()))
            if known is thing and before != _contents(thing) and len(self.changed) < 3:
                self.changed.append(f"{told(way)}, a {type(thing).__name__}")

    def forget(self) -> None:
        """Let go of them."""
        self._first, self._state = {}, None


def _contents(thing: Any) -> tuple[int, ...]:
    """What is in a container or an object, by identity."""
    kind = type(thing)
    if issubclass(kind, dict):
        return tuple(id(part) for pair in list(dict.items(thing)) for part in pair)
    if issubclass(kind, (list, tuple, deque)):
        return tuple(map(id, list(thing)))
    if issubclass(kind, (set, frozenset)):
        return tuple(sorted(map(id, list(thing))))
    return _contents(_attributes(thing))
