"""Which of asyncio's locks and semaphores are held, of all that can be reached from a state or a function.

A semaphore shows how many of its places are free by nothing public, so it is asked for them: `acquire()` of one that is
free returns at once, and what was taken is given back.
"""

from __future__ import annotations

import asyncio
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


def roots_of(function: Callable[..., Any], state: object) -> dict[str, Any]:
    """Where to look: what `setup()` gave, and what the operation has got hold of otherwise."""
    roots: dict[str, Any] = {"state": state}
    function = inspect.unwrap(function)
    if (owner := getattr(function, "__self__", None)) is not None:
        roots["self"] = owner
    if (code := getattr(function, "__code__", None)) is not None:
        for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
            try:
                roots[name] = cell.cell_contents
            except ValueError:  # not filled yet
                continue
        known = getattr(function, "__globals__", {})
        for name in code.co_names:
            if isinstance(known.get(name), (asyncio.Lock, asyncio.Semaphore, asyncio.Condition)):
                roots[name] = known[name]
    return roots


def primitives(roots: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every lock, condition and semaphore, with the way to it."""
    queue = deque(roots.items())
    seen: set[int] = set()
    while queue and len(seen) < MOST:
        path, thing = queue.popleft()
        if isinstance(thing, _LEAVES) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (asyncio.Lock, asyncio.Semaphore)):
            yield path, thing
        else:
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
