"""What a run leaves behind that Python itself complains of, or would: each complaint is a line of text.

Unclosed resources, coroutines that were never awaited, exceptions that nobody retrieved, errors in finalizers, and
async generators that are open.
"""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
import weakref
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from ..._stop.places import short
from .sites import brief

_KIT = os.path.dirname(__file__) + os.sep


class Watch:
    """Notes the complaints of one run after another: `take()` gives those since it was last called."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._generators: list[weakref.ref[AsyncGenerator[Any, Any]]] = []

    def take(self) -> list[str]:
        """What was found."""
        if not self._found:
            return []
        found, self._found = self._found, []
        return list(dict.fromkeys(found))

    def open_generators(self) -> list[str]:
        """The async generators begun since this was last called that nobody has finished or closed."""
        if not self._generators:
            return []
        begun, self._generators = self._generators, []
        alive: list[Any] = [one for ref in begun if (one := ref()) is not None]
        return [f"the async generator {named(one)} is open" for one in alive if one.ag_frame is not None]

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be the loop's exception handler; again, after a run that has put another in."""
        if loop.get_exception_handler() != self._complained:
            loop.set_exception_handler(self._complained)

    @contextmanager
    def at_work(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Put our hooks in the place of whatever is there, for as long as the block lasts."""
        handler, unraisable = loop.get_exception_handler(), sys.unraisablehook
        self.listen(loop)
        sys.unraisablehook = self._unraisable
        with warnings.catch_warnings(), self._hooks():
            for kind in (ResourceWarning, RuntimeWarning):  # the latter: a coroutine that was never awaited
                warnings.filterwarnings("always", r"unclosed|coroutine .* was never awaited|.*", kind)
            shown, warnings.showwarning = warnings.showwarning, self._warned
            try:
                yield
            finally:
                warnings.showwarning = shown
                sys.unraisablehook = unraisable
                loop.set_exception_handler(handler)

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        first, last = sys.get_asyncgen_hooks()

        def begun(generator: AsyncGenerator[Any, Any]) -> None:
            self._generators.append(weakref.ref(generator))
            if first is not None:
                first(generator)

        def dropped(generator: AsyncGenerator[Any, Any]) -> None:
            self._found.append(f"the async generator {named(generator)} was left open, for the garbage collector")
            if last is not None:
                last(generator)

        sys.set_asyncgen_hooks(begun, dropped)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(first, last)

    def _warned(
        self, message: Any, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        where = "" if filename.startswith("<") or "site-packages" in filename else f" ({short(filename)}:{lineno})"
        self._found.append(f"{category.__name__}: {message}{where if category is not ResourceWarning else ''}")

    def _unraisable(self, what: Any) -> None:
        self._found.append(f"an error that nobody could catch: {told(what.exc_value)}, in {what.object!r:.100}")

    def _complained(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._found.append(context["message"] + ("" if error is None else f": {told(error)}"))


def named(generator: Any) -> str:
    """An async generator, for a person."""
    return f"{brief(generator.ag_code.co_qualname)} ({short(generator.ag_code.co_filename)})"


def is_the_kits(path: str) -> bool:
    """Whether it is one of the files that explore."""
    return path.startswith(_KIT)


def told(error: BaseException | None) -> str:
    """An error in one line, with the place that it comes from."""
    if error is None:
        return "no error"
    trace, where = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_the_kits(code.co_filename):
            where = f" at {short(code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"
