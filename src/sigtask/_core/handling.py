"""Which exceptions a suspended coroutine is handling: those in whose `except`, `finally` or `with` it waits (R5).

A coroutine that waits in an `except` block keeps the exception in a place of its own, from which Python takes it when
it runs on. No attribute shows that place. The garbage collector's public `gc.get_referents` does: CPython hands it out
last, after the frame (`gen_traverse`, 3.11 to 3.15). Of what this cannot look into, compiled coroutines for example,
it says so, and the caller takes an exception that lives for one that is being handled.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

_NATIVE = (CoroutineType, GeneratorType, AsyncGeneratorType)
_NEXT = {CoroutineType: "cr_await", GeneratorType: "gi_yieldfrom", AsyncGeneratorType: "ag_await"}
_LONGEST = 100_000  # a chain that is longer is a loop


def is_handling(coro: Any, error: BaseException) -> bool:
    """Whether the coroutine, or one that it awaits, handles `error`, or one that was raised while that was handled."""
    for one in chain(coro):
        if type(one) not in _NATIVE:
            return hasattr(one, "cr_frame")  # a compiled coroutine: unknown
        held = gc.get_referents(one)
        if held and led_to(held[-1], error):
            return True
    return False


def chain(coro: Any) -> Iterator[Any]:
    """The coroutine, the one that it awaits, and so on; last, it may be, something that cannot be looked into."""
    for _ in range(_LONGEST):
        kind: Any = type(coro)
        if kind in _NATIVE:
            yield coro
            coro = getattr(coro, _NEXT[kind])
        else:  # the iterator of a coroutine, or a step of an async generator
            found = next((one for one in gc.get_referents(coro) if type(one) in _NATIVE), None)
            if found is None:
                yield coro
                return
            coro = found
        if coro is None:
            return


def is_handling_now(error: BaseException) -> bool:
    """As `is_handling`, of the code that runs now."""
    return led_to(sys.exception(), error)


def led_to(last: Any, error: BaseException | None) -> bool:
    """Whether `last` is that error, or was raised while it was being handled; of `None`, not."""
    seen = 0
    while isinstance(last, BaseException) and seen < _LONGEST:
        if last is error:
            return True
        last, seen = last.__context__, seen + 1
    return False
