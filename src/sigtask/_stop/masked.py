"""Finds the mask that held a signal, and where it was opened. This happens only for a report, so masks cost nothing.

A coroutine that is suspended in a `with` keeps the exit method on its stack, and `gc.get_referents` returns it (as for
`_core.handling`). The line of the `with` is looked up in the source. Where one of these fails, a report says less.
"""

from __future__ import annotations

import gc
import linecache
import math
from collections.abc import Callable
from types import BuiltinMethodType, CodeType, MethodType
from typing import Any

from .._core.delivery import Delivery, strongest
from .._core.handling import chain
from .._core.inbox import Inbox
from .places import frame_place, is_the_users, short

_METHODS = (MethodType, BuiltinMethodType)


def held_back(inbox: Inbox, is_ours: Callable[[Delivery], bool]) -> str | None:
    """The mask that kept signals from a task so far (R14)."""
    if not inbox.pending:
        return None
    masks = tuple(inbox.open_masks())
    held = [one for one in inbox.pending if one.level >= inbox.accept_level and is_ours(one)]
    best = strongest(one for one in held if any(_holds(mask, one) for mask in masks))
    if best is None:
        return None
    name = type(best.given).__name__
    if inbox.missed:
        return f"{name} was held by masks without an await between them: put an `await asyncio.sleep(0)` there"
    mask = next(mask for mask in reversed(masks) if _holds(mask, best))
    place = mask_place(mask)
    return f"{name} was held by {mask!r}{f' at {place}' if place else ''}"


def _holds(mask: Any, delivery: Delivery) -> bool:
    return bool(mask.masks >= delivery.level and mask not in delivery.inside)


def mask_place(mask: Any) -> str | None:
    """Where this mask was opened (`file:line in function`); `None` if unknown."""
    owner = None if mask.inbox is None else mask.inbox.task()
    if owner is None or not hasattr(owner, "get_coro") or owner._is_running():
        return None
    is_a_decorator = False
    for one in chain(owner.get_coro()):
        frame = getattr(one, "cr_frame", None) or getattr(one, "gi_frame", None) or getattr(one, "ag_frame", None)
        if frame is None:
            return None
        if is_a_decorator:
            return _place(frame.f_code, frame.f_code.co_firstlineno)
        if mask in (here := _open_in(one)):
            if not is_the_users(frame.f_code.co_filename):
                is_a_decorator = True  # ours: the function is what it awaits
                continue
            lines = _lines_of_masks(frame.f_code, frame.f_lineno)
            known = len(lines) == len(here)
            return _place(frame.f_code, lines[here.index(mask)]) if known else frame_place(frame)
    return None


def _open_in(coro: Any) -> list[Any]:
    """The masks that this coroutine has open, the outermost first."""
    found: list[Any] = []
    for thing in gc.get_referents(coro):
        one = thing.__self__ if isinstance(thing, _METHODS) else thing
        if hasattr(type(one), "is_waited_for_by") and one not in found:
            found.append(one)
    return found


def _lines_of_masks(code: CodeType, line: int) -> list[int]:
    """The lines of the `with mask(...)` around this line, the outermost first, found by indentation."""
    found: list[int] = []
    indent = math.inf
    for number in range(line, code.co_firstlineno, -1):
        text = linecache.getline(code.co_filename, number)
        words = text.lstrip()
        if words and len(text) - len(words) < indent:
            indent = len(text) - len(words)
            if words.startswith(("with ", "async with ")) and "mask(" in words:
                found.append(number)
    return found[::-1]


def _place(code: CodeType, line: int) -> str:
    return f"{short(code.co_filename)}:{line} in {code.co_qualname}"
