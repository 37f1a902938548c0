"""The zoo: tasks that resist being stopped, each with one bad habit. Use them to test code that has to stop tasks.

`ZOO` has them by name; each is also a function in this module::

    task = asyncio.create_task(ZOO["swallows_base_exception"].make())

`python -m sigtask.testing.zoo` shows what each signal does to them. What an animal creates, such as a deaf stock task,
is removed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from ._crowds import deep_coroutines, deep_tasks, gathers_a_crowd, sits_in_a_ring
from ._deaf import (
    DeafFuture,
    awaits_a_deaf_future,
    awaits_a_deaf_stock_task,
    breeds,
    fights_back,
    hoards_a_lock,
    iterates_a_deaf_generator,
    iterates_a_generator_that_yields_in_finally,
    masks_for_ever,
    never_rests,
    raises_in_cleanup,
    replaces_the_exception,
    retries_in_finally,
    shields_itself,
    swallows_base_exception,
    swallows_cancelled_error,
    uncancels,
)
from ._holders import blocks_the_loop, spins, starts_a_thread

__all__ = [
    "ZOO",
    "Animal",
    "DeafFuture",
    "awaits_a_deaf_future",
    "awaits_a_deaf_stock_task",
    "blocks_the_loop",
    "breeds",
    "deep_coroutines",
    "deep_tasks",
    "fights_back",
    "gathers_a_crowd",
    "hoards_a_lock",
    "iterates_a_deaf_generator",
    "iterates_a_generator_that_yields_in_finally",
    "masks_for_ever",
    "never_rests",
    "raises_in_cleanup",
    "replaces_the_exception",
    "retries_in_finally",
    "shields_itself",
    "sits_in_a_ring",
    "spins",
    "starts_a_thread",
    "swallows_base_exception",
    "swallows_cancelled_error",
    "uncancels",
]


@dataclass(frozen=True, slots=True)
class Animal:
    """One animal of the zoo. `make()` returns its coroutine; `reach` says what ends it: `stop()`, or only a `run()`.

    .. versionadded:: 0.1.0
    """

    name: str
    habit: str
    make: Callable[[], Coroutine[Any, Any, None]]
    reach: Literal["stop", "run"]

    def __str__(self) -> str:
        return self.name


def _animal(
    habit: str, make: Callable[[], Coroutine[Any, Any, None]], reach: Literal["stop", "run"] = "stop"
) -> Animal:
    return Animal(make.__name__, habit, make, reach)


_ANIMALS = (
    _animal("swallows CancelledError", swallows_cancelled_error),
    _animal("swallows BaseException", swallows_base_exception),
    _animal("loops on sleep(0)", never_rests),
    _animal("retries in `finally`", retries_in_finally),
    _animal("awaits a deaf stock task", awaits_a_deaf_stock_task),
    _animal("awaits a deaf future", awaits_a_deaf_future),
    _animal("shields itself", shields_itself),
    _animal("masks for ever", masks_for_ever),
    _animal("holds a lock while stuck", hoards_a_lock),
    _animal("is in a deaf async generator", iterates_a_deaf_generator),
    _animal("its async generator yields in `finally`", iterates_a_generator_that_yields_in_finally),
    _animal("replaces the exception", replaces_the_exception),
    _animal("raises in cleanup", raises_in_cleanup),
    _animal("never stops creating children", breeds),
    _animal("terminates its killer", fights_back),
    _animal("calls `uncancel()` in a loop", uncancels),
    _animal("10,000 coroutines deep", deep_coroutines),
    _animal("10,000 tasks deep", deep_tasks),
    _animal("gathers 10,000 tasks", gathers_a_crowd),
    _animal("tasks that await each other", sits_in_a_ring),
    _animal("starts a thread that never ends", starts_a_thread, "run"),
    _animal("blocks the loop with `time.sleep`", blocks_the_loop, "run"),
    _animal("spins without awaiting", spins, "run"),
)

ZOO = {animal.name: animal for animal in _ANIMALS}
"""Every animal, by its name."""

for _thing in (Animal, DeafFuture, *(animal.make for animal in _ANIMALS)):
    _thing.__module__ = __name__
