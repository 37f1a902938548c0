"""Where a task or a thread is: the line of the user's code that a person wants to see."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import sys
import threading
from collections import deque
from types import CodeType, FrameType
from typing import Any

from .._core.handling import chain
from ..report import ThreadReport

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_NOT_THE_USERS = (
    os.path.dirname(asyncio.__file__) + os.sep,
    _OURS,
    "<frozen",
)
_COMMAND = os.path.join(_OURS, "cli") + os.sep
_NOWHERE = "no Python frame"
DEEPEST = 50
"""How many lines of a stack a person would read."""
C_FUNCTION = "(), a C function"
"""How a place ends that is no line of Python."""
_STEPS = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper")  # which do not show whose they are
_STDLIB = os.path.dirname(os.__file__) + os.sep


@functools.cache
def is_the_users(path: str) -> bool:
    """Whether a file belongs to the user or to a library, and not to the interpreter or to sigtask."""
    return not path.startswith(_NOT_THE_USERS) and (not path.startswith(_STDLIB) or "site-packages" in path)


def task_place(task: asyncio.Task[Any], *outside: str) -> str:
    """Where a suspended task waits (`file:line in function`): its innermost frame that is the user's or a library's.

    `outside` are the places of what it waits for elsewhere, in a thread; where it has no such frame itself, these say
    it all.
    """
    found = _innermost(task.get_coro())
    if outside and (found is None or not is_the_users(found.f_code.co_filename)):
        return ", ".join(outside)
    return ", ".join([_NOWHERE if found is None else frame_place(found), *outside])


class Places:
    """`task_place` for many tasks at once, most of which are at the same few lines."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[CodeType, str]] = {}
        self._stacks: dict[tuple[str, ...], tuple[str, ...]] = {}

    def of(self, task: asyncio.Task[Any]) -> str:
        """Where this task waits."""
        frame = _innermost(task.get_coro())
        return _NOWHERE if frame is None else self._of_frame(frame)

    def stack_of(self, task: asyncio.Task[Any]) -> tuple[str, ...]:
        """Its stack without frames of the interpreter and of sigtask, innermost last, limited in length."""
        kinds = ((one, _names(one.__class__)) for one in chain(task.get_coro()))
        frames = (getattr(one, names[0]) for one, names in kinds if names is not None)
        users = (one for one in frames if one is not None and is_the_users(one.f_code.co_filename))
        stack = tuple(map(self._of_frame, deque(users, maxlen=DEEPEST)))
        return self._stacks.setdefault(stack, stack)

    def _of_frame(self, frame: FrameType) -> str:
        key = (id(frame.f_code), frame.f_lasti)  # to hash a code object is slow; it is kept, so its id stays its own
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (frame.f_code, frame_place(frame))
        return known[1]


def _innermost(coro: Any) -> FrameType | None:
    found: FrameType | None = None
    for _ in range(100_000):  # a chain that is longer is a loop
        names = _names(coro.__class__)
        if names is None and coro.__class__.__name__ in _STEPS:
            coro = next((one for one in gc.get_referents(coro) if _names(one.__class__) is not None), None)
            names = _names(coro.__class__)
        if names is None or (frame := getattr(coro, names[0])) is None:
            break
        if found is None or is_the_users(frame.f_code.co_filename):
            found = frame
        coro = getattr(coro, names[1])
    return found


@functools.lru_cache(100)
def _names(kind: type) -> tuple[str, str] | None:
    """The names of the attributes by which coroutines of that type give their frame, and what they await."""
    pairs = (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom"))
    return next((pair for pair in pairs if hasattr(kind, pair[0])), None)


def is_leaf(kind: type) -> bool:
    """Whether objects of that type have no frame, and await nothing that has one."""
    return _names(kind) is None and kind.__name__ not in _STEPS


def frame_place(frame: FrameType) -> str:
    """`file:line in function`, the file relative to the working directory where it lies below it."""
    code = frame.f_code
    return f"{short(code.co_filename)}:{frame.f_lineno} in {code.co_qualname}"


def short(path: str) -> str:
    """The path as a person at this terminal would write it."""
    try:
        here = os.getcwd() + os.sep
    except OSError:  # the directory has been removed
        return path
    return path[len(here) :] if path.startswith(here) else path


def thread_place(ident: int) -> str:
    """Where a thread stands: its innermost frame that is the user's own or a library's, not the interpreter's.

    A C function that `to_thread` was given has no frame: `input(), a C function`.
    """
    frame = sys._current_frames().get(ident)
    if frame is None:
        return "no Python frame"
    walk: FrameType | None = frame
    while walk is not None and not is_the_users(walk.f_code.co_filename):
        walk = walk.f_back
    if walk is None and frame.f_code.co_qualname == "_shutdown":  # of `threading`
        return "the end of the program, where it waits for other threads"
    return frame_place(walk) if walk is not None else _c_function(frame) or frame_place(frame)


def _c_function(frame: FrameType) -> str | None:
    """The function that this frame of ours, `Function.run`, has called, and that has no frame itself."""
    fn = getattr(frame.f_locals.get("self"), "fn", None) if frame.f_code.co_filename.startswith(_OURS) else None
    if fn is None:
        return None
    while isinstance(fn, functools.partial):
        fn = fn.func
    name, module = getattr(fn, "__qualname__", type(fn).__qualname__), getattr(fn, "__module__", None)
    return f"{name if module in (None, 'builtins') else f'{module}.{name}'}{C_FUNCTION}"


def thread_stack(ident: int) -> str:
    """The stack of a thread without frames of the interpreter and of sigtask, innermost first."""
    frame = sys._current_frames().get(ident)
    places: list[str] = []
    while frame is not None and not frame.f_code.co_filename.startswith(_COMMAND):
        if is_the_users(frame.f_code.co_filename):
            places.append(frame_place(frame))
        frame = frame.f_back
    return ", called at ".join(places) or thread_place(ident)


def threads() -> tuple[ThreadReport, ...]:
    """The threads of the process and where each is, without our own. Threads that keep the process alive come first."""
    main = threading.main_thread().name
    found = [
        ThreadReport(thread.name, thread.daemon, thread_place(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and not thread.name.startswith("sigtask-")
    ]
    return tuple(sorted(found, key=lambda thread: (thread.daemon, thread.name == main)))


def thread_places() -> str:
    """Where the threads that keep the process alive are, in one line; the main thread only if there is no other."""
    main = threading.main_thread()
    others = [str(thread) for thread in threads() if not thread.daemon and thread.name != main.name]
    return "; ".join(others) or f"the main thread at {thread_place(main.ident or 0)}"
