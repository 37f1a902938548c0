"""Where a coroutine is suspended, and which `await` expressions its code has."""

from __future__ import annotations

import dis
import functools
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, CoroutineType, FrameType
from typing import Any

from ..._core.handling import chain
from ..._stop.places import is_the_users, short

Site = tuple[tuple[CodeType, int], ...]
"""One await: the code and the instruction of each frame on the way to it, the outermost first."""

_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITS = ("GET_AWAITABLE", "GET_ANEXT")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of code: `str()` is `file:line in function`, `source` the text of that line."""

    file: str
    line: int
    function: str

    @property
    def source(self) -> str:
        """The line itself, without its indentation; empty when the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def short(self) -> str:
        """`file:line`, the file relative to the working directory where it lies below it."""
        return f"{short(self.file)}:{self.line}"

    def __str__(self) -> str:
        return f"{self.short} in {brief(self.function)}"


def brief(name: str) -> str:
    """A function's name without the functions that it is defined in."""
    return name.rpartition("<locals>.")[2]


def frames_of(coro: Any) -> list[FrameType]:
    """The frames of a suspended coroutine and of what it awaits, the outermost first."""
    frames: list[FrameType] = []
    while type(coro) is CoroutineType and (frame := coro.cr_frame) is not None:  # nearly all of them, and quicker
        frames.append(frame)
        coro = coro.cr_await
    if coro is not None:
        found = ((getattr(one, name, None) for name in _FRAMES) for one in chain(coro))
        frames += [frame for frames in found if (frame := next(filter(None, frames), None)) is not None]
    return frames


def place_of(frames: list[FrameType]) -> Place:
    """The innermost line that is the user's or a library's, or else the innermost one."""
    if not frames:
        return Place("?", 0, "code without a Python frame")
    theirs = [frame for frame in frames if is_the_users(frame.f_code.co_filename)]
    frame = (theirs or frames)[-1]
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def is_own(path: str) -> bool:
    """Whether a file belongs to whoever explores: not the interpreter's, not an installed library's, not ours."""
    return is_the_users(path) and "site-packages" not in path and not path.startswith("<")


@dataclass(frozen=True, slots=True)
class Sight:
    """One await, and what is to be said of it."""

    site: Site
    place: Place
    own: Place | None
    """The line of one's own that led there, where that is another."""
    spots: frozenset[tuple[CodeType, int]]
    """The instructions of one's own code on the way there."""


class Sights:
    """Every await that was seen: each is looked at once, and then known."""

    def __init__(self) -> None:
        self.spots: set[tuple[CodeType, int]] = set()
        self._known: dict[tuple[int, ...], Sight] = {}  # which keep the code objects, so that no id serves twice

    def of(self, coro: Any) -> Sight:
        """The await that this coroutine is suspended in."""
        frames = frames_of(coro)
        key = tuple([number for frame in frames for number in (id(frame.f_code), frame.f_lasti)])
        if (known := self._known.get(key)) is None:
            known = self._known[key] = _sight(frames)
            self.spots |= known.spots
        return known


def _sight(frames: list[FrameType]) -> Sight:
    place = place_of(frames)
    own = [frame for frame in frames if is_own(frame.f_code.co_filename)]
    by = None if not own or own[-1].f_code is frames[-1].f_code else place_of(own)
    site = tuple((frame.f_code, frame.f_lasti) for frame in frames)
    spots = frozenset((frame.f_code, frame.f_lasti) for frame in own)
    return Sight(site, place, None if by == place else by, spots)


def own_code(function: Callable[..., Any]) -> list[CodeType]:
    """The code of a function, and of what is defined inside of it; nothing for what is not written in Python."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__"):
        function = getattr(function, "__func__", None) or type(function).__call__
    code = getattr(function, "__code__", None)
    return [] if code is None else list(nested(code))


def nested(code: CodeType) -> Iterator[CodeType]:
    """The code itself, and all that is defined inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


Spot = tuple[int | None, int | None, int | None, int | None]
"""Where an expression stands in its file: its lines and its columns, as `co_positions()` has them."""


@functools.cache
def awaits_in(code: CodeType) -> dict[Spot, Place]:
    """Each `await`, `async for` and `async with` in this code, by where it stands."""
    found: dict[Spot, Place] = {}
    spots = list(code.co_positions())
    for instruction in dis.get_instructions(code):
        if instruction.opname in _AWAITS:
            spot = spots[instruction.offset // 2]
            if spot[0] is not None:
                found.setdefault(spot, Place(code.co_filename, spot[0], code.co_qualname))
    return found


@functools.lru_cache(10_000)
def spot_of(code: CodeType, instruction: int) -> Spot:
    """Where the expression stands that a frame is suspended in."""
    spots = list(code.co_positions())
    return spots[instruction // 2] if 0 <= instruction // 2 < len(spots) else (None, None, None, None)
