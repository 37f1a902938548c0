"""A lock that is safe from signals raised while it is taken."""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Any, TypeVar

_R = TypeVar("_R")


def locked(lock: Any, fn: Callable[..., _R], *args: Any) -> _R:
    """Call `fn(*args)` under the lock. A signal that is raised in this thread in the meantime leaves it unlocked.

    On Python 3.14 one that comes between the two halves of `with lock:` leaves it locked (python/cpython#148874). Here
    the lock is taken, and that noted, in one step of C code.
    """
    taken: list[object] = []
    try:
        taken.extend(starmap(lock.acquire, ((),)))
        return fn(*args)
    finally:
        if taken:
            lock.release()
